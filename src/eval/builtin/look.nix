# Looks at one attribute and says what is there. Sent to `nix repl` as one line, so: no strings over lines, `#` only at
# the start of a line. Forces the attribute, and of a derivation what identifies it, nothing else.
#
# call: what is done to every value on the way, see auto_call.nix.
# apply: a function for derivations, whose result is told; or null.
# deep: whether a derivation is evaluated, too.
# root: the outputs of the flake, or the value of a file.
# path: the names that lead to the attribute.
# Result: { kind = "derivation" | "glanced" | "set" | "other" | "missing" | "blocked"; … }, see answer.rs.
call: apply: deep: root: path:
let
  inherit (builtins) attrNames elemAt genList isAttrs isString length listToAttrs tryEval typeOf;
  stringOr = other: value: if isString value then value else other;
  plain = value: builtins.unsafeDiscardStringContext value;
  first = max: names: if length names <= max then names else genList (elemAt names) max;
  try = value: let tried = tryEval value; in if tried.success then tried.value else null;
  walk = at: value: position:
    if at == length path then see value position
    else if !isAttrs value then { kind = "blocked"; inherit at; is = typeOf value; }
    else
      let name = elemAt path at; in
      if value ? ${name} then walk (at + 1) (call value.${name}) (builtins.unsafeGetAttrPos name value)
      else { kind = "missing"; names = first 20 (attrNames value); };
  see = value: position:
    if !isAttrs value then { kind = "other"; is = typeOf value; inherit position; }
    else
      let type = try (value.type or null); in
      if type == "derivation" then (if deep then derivation value else { kind = "glanced"; })
      else if isString type then { kind = "other"; is = "set"; inherit type position; }
      else {
        kind = "set";
        count = length (attrNames value);
        names = first @ATTRIBUTES_MAX@ (attrNames value);
        recurse = try (value.recurseForDerivations or true) != false;
      };
  output = value: name: { inherit name; value = stringOr null (try (value.${name}.outPath or null)); };
  derivation = value: {
    kind = "derivation";
    drvPath = plain value.drvPath;
    name = stringOr null (value.name or null);
    system = stringOr null (value.system or null);
    outputs = listToAttrs (map (output value) (value.outputs or [ "out" ]));
  } // (if apply == null then { } else { extra = extra (apply value); });
  extra = value: if isAttrs value then value else throw "what --apply gives is no set, but of type ${typeOf value}";
in
walk 0 root null
