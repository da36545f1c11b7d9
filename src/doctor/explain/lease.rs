//! Explanations of what is wrong with a lease across hosts.

use super::text::{Explanation, explain};
use crate::base::finding_code::Code;

pub(super) fn of_leases(code: Code) -> Explanation {
    match code {
        Code::LeaseElsewhere => explain(
            "Another host holds the bot's lease: the bot runs there, or that host has died less than a TTL ago. A start here \
             waits until it is free. If the bot is running here too, it was started without its lease, and two instances poll.",
            "Shows the host, its PID and its command. If the number of the renewal is another one after a sixth of the TTL, \
             that host is alive:\n\
             $ solobot lease",
            "If it should run here, stop it there. This host takes over within about a second:\n\
             $ ssh HOST solobot stop BOT\n\
             An instance here that runs without the lease: stop it, and start it under the lease:\n\
             $ solobot acquire --lease URL -- COMMAND",
        ),
        Code::LeaseLost => explain(
            "solobot stopped the bot because it could no longer prove that it held the lease: the engine did not answer for \
             80% of the TTL, it lost the record, another host took the lease, or this machine was paused. That is what a lease \
             is for: nobody may poll who may be the second one.",
            "The journal says when and why:\n\
             $ solobot status -v\n\
             Whether renewals fail, and how far apart they were:\n\
             $ solobot metrics",
            "Find out why the engine was away: its own log, the network, a full disk. An engine that is away for less than 40% \
             of the TTL stops nobody: with `lease_ttl = \"5m\"` it may be away for two minutes, and a host that dies is noticed \
             later by as much. `--restart on-failure` lets the bot wait for its lease again.",
        ),
        Code::EngineUnreachable => explain(
            "The engine that keeps the bot's lease gives no answer, or none that counts: it is down, the network or a firewall \
             is in the way, the password is wrong, or the settings do not say which lease it is. Without an answer no bot is \
             started, and one that is running is stopped when its grant ends.",
            "Asks the engine again:\n\
             $ solobot lease",
            "For Redis, see that the server is running and that this host may connect to it:\n\
             $ redis-cli -u URL ping\n\
             For PostgreSQL:\n\
             $ psql URL -c 'SELECT 1'\n\
             For etcd:\n\
             $ etcdctl --endpoints=http://HOST:2379 endpoint health\n\
             For ssh, connect once by hand, so that the host's key is known:\n\
             $ ssh USER@HOST true",
        ),
        Code::EngineForgets => explain(
            "The engine may lose the record of the lease: it keeps it in memory alone, it may evict it when its memory is full, \
             or it may fail over to a replica that has not got it yet. A lost record makes no second bot: whoever wants the lease \
             then watches for a whole TTL. But a start takes that long, and a holder that cannot write in time is stopped.",
            "For Redis:\n\
             $ redis-cli -u URL info memory\n\
             $ redis-cli -u URL config get appendonly\n\
             For PostgreSQL:\n\
             $ psql URL -c 'SHOW fsync' -c '\\d solobot_lease'\n\
             For etcd:\n\
             $ etcdctl --endpoints=http://HOST:2379 alarm list",
            "For Redis, keep the data on disk, and evict nothing:\n\
             $ redis-cli -u URL config set appendonly yes\n\
             $ redis-cli -u URL config set maxmemory-policy noeviction\n\
             And write the same into redis.conf.\n\
             For PostgreSQL, write to the disk, and make the table one that a crash does not empty, if it is called unlogged above:\n\
             $ psql URL -c 'ALTER SYSTEM SET fsync = on' -c 'SELECT pg_reload_conf()'\n\
             $ psql URL -c 'ALTER TABLE solobot_lease SET LOGGED'",
        ),
        _ => explain(
            "Two hosts have different TTLs for one lease. A host that waits uses the longer one of its own and the record's, so \
             this is safe. But a start may take longer than its host's settings say.",
            "Shows the TTL in the record:\n\
             $ solobot lease --json",
            "Write the same into solobot.toml on every host: `lease_ttl = \"60s\"`. It counts from the next start on:\n\
             $ solobot acquire",
        ),
    }
}
