"""Work on many machines by Ray, which is imported only once a cluster is asked for."""

from app.cluster.connection import Cluster, add_argument, connected
from app.cluster.resources import Resources
from app.cluster.tasks import Outcome, Task
from app.cluster.worker import device_names, node_name

__all__ = ["Cluster", "Outcome", "Resources", "Task", "add_argument", "connected", "device_names", "node_name"]
