# services.nixci: the server as a hardened unit of systemd. Its settings are in settings.nix.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  inherit (lib) mkIf mkOption types;
  cfg = config.services.nixci;
  inherit (cfg) settings;

  # Where systemd puts what LoadCredential names; only the unit's user sees it.
  credential = name: "/run/credentials/nixci.service/${name}";

  # A file becomes a credential: what the server is told, and what systemd is.
  secret = name: path: {
    file = credential name;
    load = "${name}:${path}";
    inherit path;
  };
  secretOf = name: path: if path == null then [ ] else [ (secret name path) ];
  secretsOf = name: paths: lib.imap0 (index: secret "${name}-${toString index}") paths;

  forgeSecrets = name: forge: {
    token_file = secretOf "forge-${name}-token" forge.token_file;
    app_key_file = secretOf "forge-${name}-app-key" forge.app_key_file;
    webhook_secret_file = secretsOf "forge-${name}-webhook" forge.webhook_secret_file;
    private_inputs = secretsOf "forge-${name}-inputs" (map (inputs: inputs.token_file) forge.private_inputs);
  };
  # The server calls a token as its file is called.
  ctlTokens = lib.imap0 (
    index: path: secret "ctl-token-${toString index}-${baseNameOf path}" path
  ) settings.ctl_token_file;
  stepSecrets = lib.mapAttrs (name: secret "secret-${name}") settings.secrets;
  secrets =
    ctlTokens
    ++ lib.attrValues stepSecrets
    ++ lib.concatMap (name: lib.concatLists (lib.attrValues (forgeSecrets name settings.forge.${name}))) (
      lib.attrNames settings.forge
    );

  one = found: if found == [ ] then null else (lib.head found).file;
  files = map (found: found.file);
  withCredentials =
    name: forge:
    let
      found = forgeSecrets name forge;
    in
    forge
    // {
      token_file = one found.token_file;
      app_key_file = one found.app_key_file;
      webhook_secret_file = files found.webhook_secret_file;
      private_inputs = lib.imap0 (
        index: inputs: inputs // { token_file = (builtins.elemAt found.private_inputs index).file; }
      ) forge.private_inputs;
    };

  # TOML has no null: what is not set is not there.
  present =
    value:
    if lib.isAttrs value then
      lib.mapAttrs (_: present) (lib.filterAttrs (_: inner: inner != null) value)
    else if builtins.isList value then
      map present value
    else
      value;

  listen = if cfg.socket.enable then "systemd" else settings.listen;
  url = if settings.url != null then settings.url else "https://${cfg.nginx.domain}";
  drain = if settings.limits.drain != null then settings.limits.drain else "60s";

  file = (pkgs.formats.toml { }).generate "nixci-server.toml" (
    present (
      settings
      // {
        inherit listen url;
        behind_proxy = if settings.behind_proxy != null then settings.behind_proxy else cfg.nginx.enable;
        ctl_token_file = files ctlTokens;
        forge = lib.mapAttrs withCredentials settings.forge;
        secrets = lib.mapAttrs (_: found: found.file) stepSecrets;
      }
    )
  );

  # Whether the unit has to let bubblewrap make namespaces.
  bubblewrap = lib.elem settings.isolation [
    "auto"
    "bubblewrap"
  ];

  upstream =
    let
      address = if cfg.socket.enable then cfg.socket.listenStream else settings.listen;
    in
    if lib.hasPrefix "/" address then "http://unix:${address}" else "http://${address}";

  nixSettings = config.nix.settings or { };
  trusted = nixSettings.trusted-users or [ ];

  forgeAssertions =
    name: forge:
    let
      at = "services.nixci.settings.forge.${name}";
      isApp = forge.app_id != null || forge.app_key_file != null;
    in
    [
      {
        assertion = builtins.match "[a-zA-Z0-9-]{1,50}" name != null;
        message = "${at}: the name of a forge has letters, digits and `-` only, 50 at most, since it is part of a URL.";
      }
      {
        assertion = !(lib.elem forge.kind [ "gitea" "forgejo" ]) || forge.url != null;
        message = "${at}.url is missing: say where the forge is.";
      }
      {
        assertion = !isApp || (forge.kind == "github" && forge.app_id != null && forge.app_key_file != null);
        message = "${at}: a GitHub App needs `kind = \"github\"`, `app_id` and `app_key_file`.";
      }
      {
        assertion = !(isApp && forge.token_file != null);
        message = "${at}: set `token_file`, or `app_id` with `app_key_file`, not both.";
      }
      {
        assertion = forge.kind == "plain" || isApp || forge.token_file != null;
        message = "${at}.token_file is missing: without it the server cannot read the forge or set statuses.";
      }
      {
        assertion = forge.kind == "plain" || forge.repository == { };
        message = "${at}.repository is for forges of the kind `plain`; use `repositories = [ \"owner/name\" ]`.";
      }
    ];

  secretAssertions = found: [
    {
      assertion = lib.hasPrefix "/" found.path;
      message = "services.nixci: `${found.path}` is no absolute path; a secret is named by the path that it has on the host.";
    }
    {
      assertion = !(lib.hasPrefix builtins.storeDir found.path);
      message = "services.nixci: the secret `${found.path}` is in the Nix store, where everybody can read it; use sops-nix, agenix or a file of root's.";
    }
  ];
in
{
  options.services.nixci = {
    enable = mkOption {
      type = types.bool;
      default = false;
      description = "Whether to run the server of nixci: builds of flakes for GitHub, Gitea, Forgejo and GitLab.";
    };
    package = mkOption {
      type = types.package;
      description = "The package of nixci.";
    };
    settings = mkOption {
      type = types.submodule { options = import ./settings.nix { inherit lib; }; };
      default = { };
      description = "What stands in nixci-server.toml. Secrets are paths to files, never text.";
    };
    extraPackages = mkOption {
      type = types.listOf types.package;
      default = [ ];
      description = "Programs that the server may use besides Nix, git and ssh: nix-eval-jobs, cachix, attic-client, niks3.";
    };
    environmentFile = mkOption {
      type = types.nullOr types.str;
      default = null;
      description = "A file with variables for those programs, such as `CACHIX_AUTH_TOKEN=…`; read by systemd as root.";
    };
    socket = {
      enable = mkOption {
        type = types.bool;
        default = false;
        description = "Whether systemd holds the socket, so that no request is refused while the server restarts.";
      };
      listenStream = mkOption {
        type = types.str;
        default = "127.0.0.1:8080";
        description = "Where that socket is: `ADDRESS:PORT` or an absolute path.";
      };
    };
    nginx = {
      enable = mkOption {
        type = types.bool;
        default = false;
        description = ''
          Whether nginx serves the domain. Certificates are set as for any virtual host:
          `services.nginx.virtualHosts."ci.example.org" = { enableACME = true; forceSSL = true; }`.
        '';
      };
      domain = mkOption {
        type = types.nullOr types.str;
        default = null;
        description = "The name of the virtual host.";
      };
    };
  };

  config = mkIf cfg.enable {
    assertions = [
      {
        assertion = settings.url != null || cfg.nginx.domain != null;
        message = "services.nixci.settings.url is missing: say where people and forges reach the server.";
      }
      {
        assertion = !cfg.nginx.enable || cfg.nginx.domain != null;
        message = "services.nixci.nginx.domain is missing: nginx needs the name of the virtual host.";
      }
      {
        assertion = settings.listen != "systemd";
        message = "services.nixci.settings.listen: set `services.nixci.socket.enable` for a socket that systemd holds.";
      }
      {
        assertion = !(cfg.nginx.enable && lib.hasPrefix "unix:" settings.listen);
        message = "services.nixci.settings.listen: nginx may not use a socket of the user nixci; set `services.nixci.socket.enable` and its path as `services.nixci.socket.listenStream`.";
      }
      {
        assertion = !(lib.any (name: lib.elem name trusted) [ "nixci" "@nixci" "*" ]);
        message = "services.nixci: nix.settings.trusted-users has the user nixci, who builds code of others; a trusted user is root to Nix.";
      }
      {
        assertion = nixSettings.sandbox or true == true;
        message = "services.nixci: nix.settings.sandbox is not `true`; code of others would be built without walls.";
      }
    ]
    ++ map (name: {
      assertion = builtins.match "[a-zA-Z0-9_-]+" name != null;
      message = "services.nixci.settings.secrets: the name `${name}` has other characters than letters, digits, `-` and `_`.";
    }) (lib.attrNames settings.secrets)
    ++ lib.concatMap (name: forgeAssertions name settings.forge.${name}) (lib.attrNames settings.forge)
    ++ lib.concatMap secretAssertions secrets;

    users.users.nixci = {
      isSystemUser = true;
      group = "nixci";
      home = "/var/lib/nixci";
    };
    users.groups.nixci = { };

    # Where only some may use the daemon, the server is one of them.
    nix.settings.extra-allowed-users = [ "nixci" ];

    # For `nixci serve --check` and `--backup` by hand.
    environment.etc."nixci/nixci-server.toml".source = file;
    environment.systemPackages = [ cfg.package ];

    systemd.sockets.nixci = mkIf cfg.socket.enable {
      description = "nixci, where requests come in";
      wantedBy = [ "sockets.target" ];
      listenStreams = [ cfg.socket.listenStream ];
    };

    systemd.services.nixci = {
      description = "nixci, builds of flakes";
      documentation = [ "man:nixci-serve(1)" ];
      wantedBy = [ "multi-user.target" ];
      wants = [ "network-online.target" ];
      requires = lib.optional cfg.socket.enable "nixci.socket";
      after = [
        "network-online.target"
        "nix-daemon.socket"
      ]
      ++ lib.optional cfg.socket.enable "nixci.socket";
      path = [
        config.nix.package
        pkgs.git
        pkgs.openssh
      ]
      ++ lib.optional bubblewrap pkgs.bubblewrap
      ++ cfg.extraPackages;
      environment = {
        HOME = "/var/lib/nixci";
        # Not the store itself, which the user must not write.
        NIX_REMOTE = "daemon";
      };
      serviceConfig = import ./hardening.nix { inherit bubblewrap; } // {
        # `systemctl reload` has the settings read anew, and waits for that.
        Type = "notify-reload";
        ExecStart = "${lib.getExe cfg.package} serve --config ${file}";
        User = "nixci";
        Group = "nixci";
        StateDirectory = "nixci";
        StateDirectoryMode = "0700";
        RuntimeDirectory = "nixci";
        ReadWritePaths = [
          # Its own control group, of all those that it may not change.
          "-/sys/fs/cgroup/system.slice/nixci.service"
        ]
        ++ lib.optional (settings.outputs_dir != null) settings.outputs_dir;
        LoadCredential = map (found: found.load) secrets;
        EnvironmentFile = lib.optional (cfg.environmentFile != null) cfg.environmentFile;
        WatchdogSec = "2min";
        Restart = "always";
        RestartSec = "5s";
        # Evaluations and uploads end in their own time; what is left after the limit is killed.
        KillMode = "mixed";
        # systemd adds the two up.
        TimeoutStopSec = "${drain} 30s";
        # One evaluation that takes too much memory is not the end of the server.
        OOMPolicy = "continue";
      };
    };

    services.nginx = mkIf cfg.nginx.enable {
      enable = true;
      virtualHosts.${cfg.nginx.domain}.locations."/" = {
        proxyPass = upstream;
        recommendedProxySettings = true;
        # Webhooks of GitHub have up to 25 MB; logs come as they are written.
        extraConfig = ''
          client_max_body_size 25m;
          proxy_buffering off;
          proxy_read_timeout 1h;
        '';
      };
    };
  };
}
