# As much of Nixpkgs' `lib` as the module names: options with types that are really checked, and conditions. There is one
# definition of each option, so nothing is merged. Whether the real module system takes it all, only that can tell.
rec {
  inherit (builtins)
    any
    attrNames
    attrValues
    concatLists
    concatMap
    elem
    head
    isAttrs
    mapAttrs
    ;
  filterAttrs =
    keep: set:
    removeAttrs set (builtins.filter (name: !keep name set.${name}) (attrNames set));
  getExe = package: "${package}/bin/${package.meta.mainProgram}";
  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  imap0 =
    change: list:
    builtins.genList (index: change index (builtins.elemAt list index)) (builtins.length list);
  mkIf = condition: value: {
    _type = "if";
    inherit condition value;
  };
  mkOption = option: option // { _type = "option"; };
  optional = condition: value: if condition then [ value ] else [ ];

  # A type makes a value of a definition, or throws.
  types =
    let
      plain = name: check: at: value:
        if check value then value else throw "${at} is not ${name}";
    in
    {
      attrsOf = type: at: value:
        mapAttrs (name: type "${at}.${name}") (plain "a set" isAttrs at value);
      bool = plain "a boolean" builtins.isBool;
      enum = values: plain "one of ${builtins.toJSON values}" (value: elem value values);
      ints.positive = plain "a positive number" (value: builtins.isInt value && value > 0);
      ints.unsigned = plain "a number" (value: builtins.isInt value && value >= 0);
      listOf = type: at: value: map (type at) (plain "a list" builtins.isList at value);
      nullOr = type: at: value: if value == null then null else type at value;
      package = plain "a package" (value: value ? outPath);
      str = plain "a string" builtins.isString;
      submodule = module: {
        inherit (module) options;
        __functor = self: at: fill at self.options;
      };
    };

  # The values of these options, by these definitions.
  fill =
    at: options: definitions:
    let
      unknown = removeAttrs definitions (attrNames options);
      value =
        name: option:
        let
          here = "${at}.${name}";
        in
        if option._type or null != "option" then
          fill here option (definitions.${name} or { })
        else if !(definitions ? ${name}) then
          (if option ? default then option.type here option.default else throw "${here} is not set")
        else if option.readOnly or false then
          throw "${here} is read-only"
        else
          option.type here definitions.${name};
    in
    if unknown != { } then
      throw "there is no ${at}.${head (attrNames unknown)}"
    else
      mapAttrs value options;

  # What is left when the conditions are known.
  resolve =
    value:
    if !isAttrs value || value ? outPath then
      value
    else if value._type or null == "if" then
      (if value.condition then resolve value.value else { })
    else
      mapAttrs (_: resolve) value;
}
