# Looks at something in a flake's outputs as `nix flake check` does. Sent to `nix repl` as one line, so: no strings over
# lines, `#` only at the start of a line. Takes the place of look.nix, which it calls where that is enough.
#
# old: what only old versions of Nix want, see flake_check.rs: { modules, prev, templates }.
# look: look.nix.
# rule: true or false for look.nix; else the name of a rule, see flake_check.rs.
# path: the names that lead to what is looked at; all of them are there.
# Result: { kind = "set" | "derivation" | "fit" | "unfit"; … }, see answer.rs.
old: look: call: apply: rule: root: path:
let
  inherit (builtins) any attrNames elem elemAt filter foldl' genList hasContext head isAttrs isBool isFunction isPath isString length pathExists replaceStrings seq storeDir stringLength substring tail toXML typeOf unsafeDiscardStringContext;
  find = depth: foldl' (value: name: value.${name}) root (genList (elemAt path) depth);
  depth = length path;
  subject = find depth;
  position = if depth == 0 then null else builtins.unsafeGetAttrPos (elemAt path (depth - 1)) (find (depth - 1));

  fit = { kind = "fit"; };
  unfit = why: { kind = "unfit"; inherit why position; };
  wrong = value: why: unfit why // { is = typeOf value; };
  # The first fault, or else what is found without any; what comes behind it is not evaluated.
  unless = faults: found:
    let fault = foldl' (first: fault: if first == null then fault else first) null faults; in
    if fault == null then found else fault;

  isDerivation = value: isAttrs value && (value.type or null) == "derivation";
  plainString = what: value:
    if !isString value then unfit "has a `${what}` that is no string"
    else if hasContext value then unfit "has a `${what}` that refers to a store path"
    else null;
  only = known: value:
    let others = filter (name: !elem name known) (attrNames value); in
    if others == [ ] then null else unfit "has the attribute `${head others}`, which is not supported there";

  has = part: text: replaceStrings [ part ] [ "" ] text != text;
  # Nothing else tells whether a function is built in, and what its argument looks like.
  xml = value: if isFunction value && !isAttrs value then toXML value else "";
  isLambda = value: has "<function" (xml value);
  takes = name: value: any (name: has "<varpat name=\"${name}\" />" (xml value)) [ name "_" "_${name}" ];
  # As Nix calls what it finds on the way to an attribute.
  called = value:
    if isAttrs value && value ? __functor then called (value.__functor value)
    else if has "<attrspat" (xml value) then called (value { })
    else value;

  set = value:
    let
      names = attrNames value;
      count = length names;
    in
    if !isAttrs value then wrong value "not a set"
    else {
      kind = "set";
      inherit count;
      names = if count <= @ATTRIBUTES_MAX@ then names else genList (elemAt names) @ATTRIBUTES_MAX@;
      recurse = true;
    };
  derivation = value:
    if !isDerivation value then wrong value "not a derivation"
    else if !(value ? name) then unfit "is a derivation without a `name`"
    else unless [ (plainString "name" value.name) ] (
      if value ? drvPath then fit // { drvPath = unsafeDiscardStringContext value.drvPath; } else fit
    );
  place = value:
    if isAttrs value && value ? __toString then place (value.__toString value)
    else if isAttrs value && value ? outPath then place value.outPath
    else if isPath value then there value
    else if !isString value then unfit "has a `path` that is no path"
    else if substring 0 1 value != "/" then unfit "has a `path` that is not absolute"
    else there (unsafeDiscardStringContext value);
  there = path:
    let text = unsafeDiscardStringContext (toString path); in
    if old.templates then
      (if substring 0 (stringLength storeDir + 1) text == storeDir + "/" then null else unfit "has a `path` outside of the store: ${text}")
    else if pathExists path then null
    else unfit "has a `path` that does not exist: ${text}";

  rules = {
    inherit set derivation;
    any = value: seq value fit;
    system = value: unfit "is not named after a system, such as `x86_64-linux`";
    derivations = value: if isDerivation value then unfit "is a derivation, not a set of them" else set value;
    build = value:
      let found = derivation value; in
      if found.kind != "fit" then found
      else if !(found ? drvPath) then unfit "is a derivation without a `drvPath`"
      else look call apply true root path;
    jobs = value: if isDerivation value then unfit "is a derivation, not a set of jobs" else set value;
    job = value: if isDerivation value then derivation value else set value;
    job-build = value: if isDerivation value then rules.build value else set value;
    app = value:
      if !isAttrs value then wrong value "not an app, which is a set"
      else unless [
        (if value ? type then plainString "type" value.type else unfit "is an app without a `type`")
        (if !(value ? program) then unfit "is an app without a `program`"
        else if isString value.program then null
        else unfit "has a `program` that is no string")
        (if !(value ? meta) then null
        else if !isAttrs value.meta then unfit "has a `meta` that is no set"
        else if value.meta ? description then plainString "meta.description" value.meta.description
        else null)
        (only [ "meta" "program" "type" ] value)
      ] (fit // {
        remark =
          if !(value ? meta) then "the app has no `meta`"
          else if value.meta ? description then null
          else "the app has no `meta.description`";
      });
    overlay = value:
      if !isFunction value || isAttrs value then wrong value "not an overlay, which is a function"
      else if !takes "final" value then unfit "is an overlay whose first argument is not called `final`"
      else if !old.prev || takes "prev" (value (throw "the overlay uses `final` before it takes its second argument")) then fit
      else unfit "is an overlay whose second argument is not called `prev`";
    module = value:
      if !old.modules then seq value fit
      else if isAttrs value then foldl' (found: name: seq value.${name} found) fit (attrNames value)
      else if !isLambda value then wrong value "not a module, which is a function or a set"
      else if has "<attrspat ellipsis=" (xml value) then fit
      else unfit "is a module that takes no other arguments: it should begin with `{ config, ... }`";
    configuration =
      let
        walk = names: value:
          let here = called value; in
          if names == [ ] then (if isDerivation value then fit else unfit "has a `config.system.build.toplevel` that is not a derivation")
          else if isAttrs here && here ? ${head names} then walk (tail names) here.${head names}
          else unfit "has no `config.system.build.toplevel`";
      in
      walk [ "config" "system" "build" "toplevel" ];
    template = value:
      if !isAttrs value then wrong value "not a template, which is a set"
      else unless [
        (if value ? path then place value.path else unfit "is a template without a `path`")
        (if value ? description then plainString "description" value.description else unfit "is a template without a `description`")
        (only [ "description" "path" "welcomeText" ] value)
      ] fit;
    bundler = value: if isLambda value then fit else wrong value "not a bundler, which is a function";
  };
in
if isBool rule then look call apply rule root path else rules.${rule} subject
