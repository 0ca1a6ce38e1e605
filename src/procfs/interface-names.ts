/** What the name of a network interface says about it, where the kernel can't be asked. */

/**
 * `loopback`; `inner`: a bridge, or the host's end of a container or virtual machine; `guest`: a veth, either the host's
 * end or, seen from within a container, the only way out; `upper`: its traffic passes another interface of this host too
 * (tunnels, VLANs, teams, bonds); `lower`: everything else, hardware as a rule.
 */
export type NameKind = "loopback" | "inner" | "guest" | "upper" | "lower";

/** Names that the kernel, udev and the common tools give. Names that people chose count as hardware. */
const rules: readonly (readonly [NameKind, RegExp])[] = [
  ["loopback", /^lo$/],
  // packets that go nowhere, or are looked at only
  ["inner", /^(dummy|ifb|imq|nlmon|teql|bonding_masters)\d*$/],
  // bridges: br0, vmbr0 (Proxmox), virbr0 (libvirt), lxcbr0, lxdbr0, xenbr0, cbr0, br-lan, br-int, br-<id> (Docker)
  ["inner", /^([a-z]*br\d+|br|br[-_].*|bridge\d*|virbr\d+-nic)$/],
  // Docker, Podman, containerd, CNI, Kubernetes
  ["inner", /^(docker\d+|docker_gwbridge|podman\d+|cni\d+|cni-.*|nerdctl\d+|kube-.*|nodelocaldns|weave|vethwe.*)$/],
  ["inner", /^(cali[0-9a-f]+|cilium_.*|lxc[0-9a-f]{6,}|lxc_health|azv[0-9a-f]+|gke[0-9a-f]{6,}|eni[0-9a-f]{11})$/],
  // systemd-nspawn
  ["inner", /^(ve|vb|vz)-/],
  // virtual machines: libvirt, Proxmox, Xen, OpenStack, VirtualBox, VMware, Open vSwitch
  ["inner", /^(vnet\d+|fw(br|ln|pr)\d+.*|vif\d+\.\d+.*|q(br|vo|vb).*|tap[0-9a-f]{8}-.*|vboxnet\d+|vmnet\d+|ovs-.*)$/],
  ["inner", /^(macvtap\d+|vxlan_sys_\d+|genev_sys_\d+|gre_sys)$/],
  ["guest", /^veth/],
  // tunnels and private networks
  ["upper", /^(tun|tap|wg|ppp|ipsec|xfrm|vti|gre|gretap|erspan|sit|tunl|ip_vti|ip6tnl|ip6gre|ip6_vti|l2tp)\d+/],
  ["upper", /^(tailscale|zt|wg-|nebula|vxlan|geneve|flannel|wt)/],
  // made of other interfaces; the members of these are found below them
  ["upper", /^(vlan\d+|team\d+|bond\d+|macvlan\d+|ipvlan\d+|macsec\d+|vrf.*)$/],
];

/** Tells the kind of an interface by its name. */
export function kindOfName(name: string): NameKind {
  return rules.find(([, pattern]) => pattern.test(name))?.[0] ?? "lower";
}
