# Puts what a function makes of attributes in their place. Sent to `nix repl` as one line, so: `#` only at the start of a
# line. Forces nothing but the sets on the way; what is not there stays so.
#
# function: what makes the new value of the old one.
# paths: the names that lead to each attribute.
# root: the outermost set.
function: paths: root:
let
  inherit (builtins) elemAt foldl' isAttrs length;
  replace = value: path: at:
    if at == length path then function value
    else
      let name = elemAt path at; in
      if isAttrs value && value ? ${name} then value // { ${name} = replace value.${name} path (at + 1); }
      else value;
in
foldl' (value: path: replace value path 0) root paths
