# Calls a function as `nix-build` does with what it finds in a file: one whose argument is a set of named ones, with those
# that have a value on the command line. Sent to `nix repl` as one line, so: `#` only at the start of a line.
#
# args: the values of the command line.
args:
let
  inherit (builtins) functionArgs intersectAttrs isAttrs isFunction replaceStrings toXML;
  has = part: text: replaceStrings [ part ] [ "" ] text != text;
  call = value:
    if isAttrs value && value ? __functor then call (value.__functor value)
    else if !isFunction value then value
    else
      # Only here it is told apart whether there are names at all, and whether there may be others.
      let xml = toXML value; in
      if !has "<attrspat" xml then value
      else value (if has "<attrspat ellipsis=" xml then args else intersectAttrs (functionArgs value) args);
in
call
