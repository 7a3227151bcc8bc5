# What the unit may not do. `docs/server.md` has the score that `systemd-analyze security` gives for it.
#
# Not there, since bubblewrap could then not mount a /proc of its own, and evaluations would run without walls:
# ProtectKernelTunables, ProtectKernelLogs, ProtectHostname (each covers a part of /proc, and the kernel gives a user
# namespace a new /proc only where the old one is seen whole), ProcSubset=pid (hides /proc/sys, which it reads),
# RestrictNamespaces, SystemCallFilter without @mount and @privileged. The user has no capability, so what they would
# protect belongs to root all the same.
# ProtectControlGroups: each evaluation gets a control group with limits of its own (Delegate).
# PrivateNetwork, IPAddressDeny: forges and inputs of flakes are anywhere.
# RestrictAddressFamilies without AF_UNIX and AF_NETLINK: the Nix daemon's socket, and bubblewrap's loopback device.
{
  AmbientCapabilities = "";
  CapabilityBoundingSet = "";
  Delegate = "memory pids";
  DevicePolicy = "closed";
  KeyringMode = "private";
  LockPersonality = true;
  MemoryDenyWriteExecute = true;
  NoNewPrivileges = true;
  PrivateDevices = true;
  PrivateMounts = true;
  PrivateTmp = true;
  PrivateUsers = true;
  ProtectClock = true;
  ProtectHome = true;
  ProtectKernelModules = true;
  ProtectProc = "invisible";
  ProtectSystem = "strict";
  RemoveIPC = true;
  RestrictAddressFamilies = "AF_UNIX AF_INET AF_INET6 AF_NETLINK";
  RestrictNamespaces = "user mnt pid ipc uts net cgroup";
  RestrictRealtime = true;
  RestrictSUIDSGID = true;
  SystemCallArchitectures = "native";
  SystemCallErrorNumber = "EPERM";
  SystemCallFilter = [
    "@system-service @mount"
    "~@resources"
  ];
  UMask = "0077";
}
