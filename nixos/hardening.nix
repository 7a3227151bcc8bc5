# What the unit may not do. `docs/server.md` has the score that `systemd-analyze security` gives for it.
#
# `bubblewrap`: whether evaluations are to get namespaces. That takes away what would keep bubblewrap from mounting a /proc
# of its own, without which there are no walls of its kind:
# ProtectKernelTunables, ProtectKernelLogs, ProtectHostname (each covers a part of /proc, and the kernel gives a user
# namespace a new /proc only where the old one is seen whole), RestrictNamespaces, SystemCallFilter without @mount and
# @privileged, and RestrictAddressFamilies without AF_NETLINK, which its loopback device needs. The user has no capability,
# so what they would protect belongs to root all the same.
#
# Not there in either:
# ProcSubset=pid: it hides /proc/meminfo, by which the server knows how much memory evaluations may have, and /proc/sys, which
# bubblewrap reads.
# PrivateNetwork, IPAddressDeny: forges and inputs of flakes are anywhere.
# RestrictAddressFamilies without AF_UNIX: the Nix daemon's socket.
# No Delegate: each evaluation gets a control group with limits of its own. All others stay read-only.
{ bubblewrap }:
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
  ProtectControlGroups = true;
  ProtectHome = true;
  ProtectHostname = !bubblewrap;
  ProtectKernelLogs = !bubblewrap;
  ProtectKernelModules = true;
  ProtectKernelTunables = !bubblewrap;
  ProtectProc = "invisible";
  ProtectSystem = "strict";
  RemoveIPC = true;
  RestrictAddressFamilies =
    if bubblewrap then "AF_UNIX AF_INET AF_INET6 AF_NETLINK" else "AF_UNIX AF_INET AF_INET6";
  RestrictNamespaces = if bubblewrap then "user mnt pid ipc uts net cgroup" else true;
  RestrictRealtime = true;
  RestrictSUIDSGID = true;
  SystemCallArchitectures = "native";
  SystemCallErrorNumber = "EPERM";
  # Those of Landlock are in no group that every systemd has.
  SystemCallFilter =
    if bubblewrap then
      [
        "@system-service @mount"
        "~@resources"
      ]
    else
      [
        "@system-service landlock_create_ruleset landlock_add_rule landlock_restrict_self"
        "~@privileged @resources"
      ];
  UMask = "0077";
}
