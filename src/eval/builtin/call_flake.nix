# Calls a flake whose root tree and lock file are known, so that its outputs are those that Nix itself sees. Sent to
# `nix repl` as one line, so: no strings over lines, `#` only at the start of a line.
#
# since: what this version's way to call a flake has, see root.rs.
# root: the flake: { path, dir, dirty, locked } as `nix flake metadata` tells; dirty: its revision must not be seen.
# absent: the NAR hashes of locked trees that are not in the store.
# lock: the lock file, parsed; null: that in the tree.
since: root: absent: lock:
let
  inherit (builtins) elem foldl' fromJSON isList listToAttrs mapAttrs readFile removeAttrs substring;
  pad = n: if n < 10 then "0${toString n}" else toString n;
  rest = a: b: a - a / b * b;
  # Seconds since 1970 as YYYYMMDDhhmmss; the days are counted from March, so that leap days come last in their year.
  date = seconds:
    let
      days = seconds / 86400 + 719468;
      era = days / 146097;
      ofEra = rest days 146097;
      yearOfEra = (ofEra - ofEra / 1460 + ofEra / 36524 - ofEra / 146096) / 365;
      ofYear = ofEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100);
      fromMarch = (5 * ofYear + 2) / 153;
      month = if fromMarch < 10 then fromMarch + 3 else fromMarch - 9;
      year = yearOfEra + era * 400 + (if month < 3 then 1 else 0);
      clock = rest seconds 86400;
    in
    toString year + pad month + pad (ofYear - (153 * fromMarch + 2) / 5 + 1)
    + pad (clock / 3600) + pad (rest clock 3600 / 60) + pad (rest clock 60);
  pick = names: builtins.intersectAttrs (listToAttrs (map (name: { inherit name; value = null; }) names));
  below = path: dir: if dir == "" then path else path + "/" + dir;
  # What Nix tells a flake about a tree. The path is looked at only if no tree with that hash is valid, or if it has to
  # be before it may be read.
  tree = path: locked:
    {
      outPath =
        if since.pure then builtins.path { inherit path; name = "source"; sha256 = locked.narHash; }
        else (builtins.fetchTree { type = "path"; inherit path; inherit (locked) narHash; }).outPath;
    }
    // pick [ "narHash" "rev" "revCount" "dirtyRev" "dirtyShortRev" "lastModified" ] locked
    // (if locked.type == "git" then { submodules = locked.submodules or false; } else { })
    // (if locked ? rev then { shortRev = substring 0 7 locked.rev; } else { })
    // (if locked ? lastModified then { lastModifiedDate = date locked.lastModified; } else { });
  rootTree = removeAttrs (tree root.path root.locked) (if root.dirty then [ "rev" "shortRev" "revCount" ] else [ ]);
  file = if lock == null then fromJSON (readFile (below rootTree.outPath root.dir + "/flake.lock")) else lock;
  # An input is a node's key, or a path of names to follow from the root.
  resolve = input: if isList input then follow input else input;
  follow = foldl' (key: name: resolve file.nodes.${key}.inputs.${name}) file.root;
  nodes = mapAttrs (key: node:
    let
      isRoot = key == file.root;
      locked = node.info or { } // removeAttrs node.locked [ "dir" "__final" ];
      isNew = node ? newDir;
      isRelative = since.relative && !isRoot && locked.type == "path" && substring 0 1 locked.path != "/";
      parent = nodes.${follow node.parent};
      relativePath = below parent.outPath locked.path;
      dir = if isRoot then root.dir else node.locked.dir or "";
      treePath = if isRelative then parent.treePath else sourceInfo.outPath;
      sourceInfo =
        if isRoot then rootTree
        else if isRelative && isNew then { outPath = parent.treePath; }
        else if isRelative && since.source then parent.sourceInfo
        else if isRelative then parent.sourceInfo // { outPath = relativePath; }
        else if since.pure && locked ? narHash && !elem locked.narHash absent then tree "/the store path of input ${key} is not valid" locked
        else builtins.fetchTree locked;
      outPath =
        if isNew then below treePath node.newDir
        else if isRelative && since.source then below relativePath (if since.dir then dir else "")
        else below sourceInfo.outPath dir;
      flake = import (outPath + "/flake.nix");
      inputs = mapAttrs (_: input: nodes.${resolve input}.result) (node.inputs or { });
      outputs = flake.outputs (inputs // { self = result; });
      result = outputs // sourceInfo
        // (if since.self then { inherit outPath; } else { })
        // { inherit inputs outputs sourceInfo; }
        // (if since.type then { _type = "flake"; } else { });
    in
    {
      inherit outPath sourceInfo treePath;
      result =
        if node.flake or true then result
        else if since.source then sourceInfo // { inherit sourceInfo outPath; }
        else sourceInfo;
    }) file.nodes;
in
nodes.${file.root}.result.outputs
