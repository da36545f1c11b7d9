// The offsets and numbers of src/platform/darwin.rs, held against Apple's headers: compiled for both darwin targets, never run.
#include <stddef.h>
#include <sys/types.h>
#include <sys/event.h>
#include <sys/fcntl.h>
#include <sys/proc.h>
#include <sys/proc_info.h>
#include <sys/socket.h>
#include <sys/sysctl.h>
#include <spawn.h>

#define IS(what, number) _Static_assert((what) == (number), #what)
#define AT(type, field, number) IS(offsetof(struct type, field), number)

IS(sizeof(struct timeval), 16);
AT(timeval, tv_usec, 8);
IS(sizeof(struct kinfo_proc), 648);
AT(kinfo_proc, kp_proc.p_starttime, 0);
AT(kinfo_proc, kp_proc.p_flag, 32);
AT(kinfo_proc, kp_proc.p_stat, 36);
AT(kinfo_proc, kp_proc.p_pid, 40);
AT(kinfo_proc, kp_proc.p_sigignore, 232);
AT(kinfo_proc, kp_proc.p_comm, 243);
AT(kinfo_proc, kp_eproc.e_pcred.p_ruid, 392);
AT(kinfo_proc, kp_eproc.e_pcred.p_rgid, 400);
AT(kinfo_proc, kp_eproc.e_ucred.cr_ngroups, 424);
AT(kinfo_proc, kp_eproc.e_ucred.cr_groups, 428);
AT(kinfo_proc, kp_eproc.e_ppid, 560);
AT(kinfo_proc, kp_eproc.e_pgid, 564);
AT(kinfo_proc, kp_eproc.e_tdev, 572);
IS(P_TRACED, 0x800);
IS(P_WEXIT, 0x2000);
IS(SIDL, 1);
IS(SSTOP, 4);
IS(SZOMB, 5);

IS(sizeof(struct proc_fdinfo), 8);
AT(proc_fdinfo, proc_fdtype, 4);
IS(PROX_FDTYPE_VNODE, 1);
IS(PROX_FDTYPE_SOCKET, 2);
IS(PROX_FDTYPE_PIPE, 6);
IS(PROC_PIDFDVNODEPATHINFO, 2);
IS(PROC_PIDFDSOCKETINFO, 3);

IS(sizeof(struct vnode_fdinfowithpath), 1200);
AT(vnode_fdinfowithpath, pfi.fi_openflags, 0);
AT(vnode_fdinfowithpath, pvip, 24);
IS(sizeof(struct vnode_info_path), 1176);
AT(vnode_info_path, vip_vi.vi_stat.vst_dev, 0);
AT(vnode_info_path, vip_vi.vi_stat.vst_ino, 8);
AT(vnode_info_path, vip_path, 152);
IS(sizeof(struct proc_vnodepathinfo), 2 * 1176);
IS(FWRITE, 2);

IS(sizeof(struct socket_fdinfo), 792);
AT(socket_fdinfo, psi.soi_so, 160);
AT(socket_fdinfo, psi.soi_family, 184);
AT(socket_fdinfo, psi.soi_options, 188);
AT(socket_fdinfo, psi.soi_kind, 256);
AT(socket_fdinfo, psi.soi_proto.pri_tcp.tcpsi_ini.insi_fport, 264);
AT(socket_fdinfo, psi.soi_proto.pri_tcp.tcpsi_ini.insi_vflag, 288);
AT(socket_fdinfo, psi.soi_proto.pri_tcp.tcpsi_ini.insi_faddr, 296);
AT(socket_fdinfo, psi.soi_proto.pri_tcp.tcpsi_state, 344);
IS(SOCKINFO_TCP, 2);
IS(SOCKINFO_UN, 3);
IS(SO_ACCEPTCONN, 2);
IS(TSI_S_LISTEN, 1);
IS(TSI_S_ESTABLISHED, 4);
IS(INI_IPV4, 1);

IS(POSIX_SPAWN_SETSID, 0x0400);
IS(NOTE_FUNLOCK, 0x100);
