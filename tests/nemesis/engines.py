"""Every engine by its name."""

from etcd_engine import Etcd, EtcdCluster, Etcdctl
from postgres_engine import PgBouncer, Postgres
from redis_engine import Redis
from ssh_engine import Ssh

ENGINES = {engine.name: engine for engine in (Redis, Ssh, Postgres, PgBouncer, Etcd, EtcdCluster, Etcdctl)}
