# Leaves out attributes of unwanted systems, and sets that ask not to be looked into. Given to nix-eval-jobs as one line,
# so: no strings over lines, `#` only at the start of a line. Forces nothing but what is looked at anyway.
#
# wanted: the systems; null: all.
# system: a pattern for names that stand for systems.
# root: what was asked for.
wanted: system: root:
let
  inherit (builtins) attrNames elem filter isAttrs listToAttrs match tryEval;
  isSystem = name: match system name != null;
  # hasSystem: a name of the path is a system. mayRefuse: the set is neither what was asked for nor all of a system.
  prune = hasSystem: mayRefuse: value:
    let type = tryEval (value.type or null); in
    if !isAttrs value || builtins.isString type.value then value
    else if mayRefuse && value.recurseForDerivations or true == false then { }
    else listToAttrs (map (name: {
      inherit name;
      value = prune (hasSystem || isSystem name) (mayRefuse || hasSystem || !isSystem name) value.${name};
    }) (filter (name: wanted == null || hasSystem || !isSystem name || elem name wanted) (attrNames value)));
in
prune false false root
