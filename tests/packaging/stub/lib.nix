# A stand-in for nixpkgs.lib: what flake.nix and the modules use of it, and a module system that refuses what the real one
# refuses: an unknown option, a wrong type, a missing value, two values for what has one.
let
  inherit (builtins)
    attrNames
    concatLists
    concatMap
    elem
    filter
    head
    isAttrs
    length
    map
    mapAttrs
    ;

  fail = path: said: throw "option `${concatStringsSep "." path}': ${said}";
  concatStringsSep = builtins.concatStringsSep;
  optional = condition: value: if condition then [ value ] else [ ];
  genAttrs =
    names: make:
    builtins.listToAttrs (
      map (name: {
        inherit name;
        value = make name;
      }) names
    );
  isOf = type: attrs: isAttrs attrs && attrs ? _type && attrs._type == type;

  mkIf = condition: content: {
    _type = "if";
    inherit condition content;
  };
  mkMerge = contents: {
    _type = "merge";
    inherit contents;
  };

  # Types: `check` takes one value; `merge`, those of all modules.
  one =
    path: values:
    if length values == 1 then head values else fail path "has ${toString (length values)} values";
  plain = name: check: {
    inherit name check;
    merge = one;
  };
  attrsOf = each: {
    name = "attribute set of ${each.name}";
    check = value: isAttrs value && !(value ? _type);
    merge =
      path: values:
      mapAttrs (
        name: _:
        typed (path ++ [ name ]) each (
          concatMap (set: if set ? ${name} then plainly set.${name} else [ ]) values
        )
      ) (builtins.foldl' (all: set: all // set) { } values);
  };
  listOf = each: {
    name = "list of ${each.name}";
    check = builtins.isList;
    merge = path: values: map (value: typed path each [ value ]) (concatLists values);
  };
  either = a: b: {
    name = "${a.name} or ${b.name}";
    check = value: a.check value || b.check value;
    merge =
      path: values: if builtins.all a.check values then a.merge path values else b.merge path values;
  };
  isText = value: builtins.isString value || (isAttrs value && value ? outPath);
  types = {
    bool = plain "boolean" builtins.isBool;
    int = plain "signed integer" builtins.isInt;
    str = plain "string" builtins.isString;
    path = plain "absolute path" (
      value: builtins.isPath value || (isText value && hasPrefix "/" "${value}")
    );
    package = plain "package" (value: isAttrs value && value ? outPath);
    anything = {
      name = "anything";
      check = _: true;
      merge =
        path: values:
        if length values == 1 then
          head values
        else if builtins.all builtins.isList values then
          concatLists values
        else
          (attrsOf types.anything).merge path values;
    };
    strMatching =
      pattern:
      plain "string matching ${pattern}" (
        value: builtins.isString value && builtins.match pattern value != null
      );
    enum = values: plain "one of ${builtins.toJSON values}" (value: elem value values);
    nullOr = each: either (plain "null" (value: value == null)) each;
    oneOf = all: builtins.foldl' either (head all) (builtins.tail all);
    inherit attrsOf listOf either;
  };
  typed =
    path: type: values:
    if values == [ ] then
      fail path "is used and has no value"
    else
      builtins.deepSeq (map (
        value:
        if type.check value then
          null
        else
          fail path "is not of type ${type.name}: a ${builtins.typeOf value}"
      ) values) (type.merge path values);

  # Conditions are moved inwards, so that what an option is set to can decide on other options.
  pushed =
    config:
    if isOf "merge" config then
      concatMap pushed config.contents
    else if isOf "if" config then
      map (set: mapAttrs (_: mkIf config.condition) set) (pushed config.content)
    else
      [ config ];
  plainly =
    value:
    if isOf "if" value then
      (if value.condition then plainly value.content else [ ])
    else if isOf "merge" value then
      concatMap plainly value.contents
    else
      [ value ];

  declared =
    path: options: configs:
    let
      sets = concatMap pushed configs;
      names = builtins.foldl' (all: set: all // set) { } sets;
      given = name: concatMap (set: optional (set ? ${name}) set.${name}) sets;
      value =
        name: option:
        let
          values = concatMap plainly (given name);
        in
        if !(isOf "option" option) then
          declared (path ++ [ name ]) option (given name)
        else
          typed (path ++ [ name ]) option.type (
            if values == [ ] && option ? default then [ option.default ] else values
          );
    in
    builtins.seq (builtins.all (name: options ? ${name} || fail (path ++ [ name ]) "does not exist") (
      attrNames names
    )) (mapAttrs value options);
  together =
    a: b:
    a
    // b
    // mapAttrs (
      name: _:
      if isAttrs a.${name} && !(isOf "option" a.${name}) then
        together a.${name} b.${name}
      else
        fail [ name ] "is declared twice"
    ) (builtins.intersectAttrs a b);

  hasPrefix = prefix: text: builtins.substring 0 (builtins.stringLength prefix) text == prefix;
  escapeShellArg =
    arg:
    let
      text = toString arg;
    in
    if builtins.match "[[:alnum:],._+:@%/-]+" text != null then
      text
    else
      "'${builtins.replaceStrings [ "'" ] [ "'\\''" ] text}'";
in
{
  inherit
    types
    mkIf
    mkMerge
    genAttrs
    concatStringsSep
    escapeShellArg
    hasPrefix
    optional
    ;
  mkOption = declaration: declaration // { _type = "option"; };
  mkEnableOption = what: {
    _type = "option";
    type = types.bool;
    default = false;
    description = "Whether to enable ${what}.";
  };
  literalMD = text: {
    _type = "literalMD";
    inherit text;
  };
  optionalString = condition: text: if condition then text else "";
  optionalAttrs = condition: set: if condition then set else { };
  mapAttrsToList = f: set: map (name: f name set.${name}) (attrNames set);
  escapeShellArgs = args: concatStringsSep " " (map escapeShellArg args);
  makeBinPath =
    packages: concatStringsSep ":" (map (each: "${each}/bin") (filter (each: each != null) packages));
  hasSuffix =
    suffix: text:
    let
      n = builtins.stringLength text - builtins.stringLength suffix;
    in
    n >= 0 && builtins.substring n (-1) text == suffix;
  cleanSource = source: source;
  licenses.mit.spdxId = "MIT";
  platforms = {
    unix = [
      "x86_64-linux"
      "aarch64-linux"
      "aarch64-darwin"
    ];
    linux = [
      "x86_64-linux"
      "aarch64-linux"
    ];
  };

  evalModules =
    {
      modules,
      specialArgs ? { },
    }:
    let
      load =
        module:
        let
          file = if builtins.isPath module || builtins.isString module then import module else module;
          found = if builtins.isFunction file then file (specialArgs // { inherit config; }) else file;
        in
        [ found ] ++ concatMap load (found.imports or [ ]);
      loaded = concatMap load modules;
      options = builtins.foldl' together { } (map (module: module.options or { }) loaded);
      config = declared [ ] options (
        map (
          module:
          module.config or (removeAttrs module [
            "options"
            "imports"
            "_file"
          ])
        ) loaded
      );
    in
    {
      inherit config options;
    };
}
