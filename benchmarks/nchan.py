"""nchan, the publish-subscribe module of nginx, as Debian packages it (libnginx-mod-nchan): one worker."""

import os
import subprocess
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from benchmarks.harness import Server, free_port, listens, running

NGINX = "/usr/sbin/nginx"
MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")

_CONFIGURATION = """
    load_module {module};
    worker_processes 1;
    daemon off;
    pid {folder}/nginx.pid;
    error_log {folder}/error.log error;
    events {{ worker_connections 2048; }}
    http {{
        access_log off;
        client_body_temp_path {folder}/body;
        proxy_temp_path {folder}/proxy;
        fastcgi_temp_path {folder}/fastcgi;
        uwsgi_temp_path {folder}/uwsgi;
        scgi_temp_path {folder}/scgi;
        keepalive_requests 10000000;
        tcp_nodelay on;
        nchan_shared_memory_size 256m;
        server {{
            listen 127.0.0.1:{port};
            location = /publish {{
                nchan_publisher;
                nchan_channel_id $arg_id;
                nchan_message_buffer_length 20000;
                nchan_message_timeout 2m;
            }}
            location = /events {{
                nchan_subscriber eventsource;
                nchan_channel_id $arg_id;
                nchan_subscriber_first_message newest;
            }}
        }}
    }}
"""


def available() -> bool:
    return Path(NGINX).exists() and MODULE.exists()


@contextmanager
def nchan_server() -> Iterator[Server]:
    """Run nginx on a free port, its process the worker. Subscribe at ``/events?id=``, publish at ``/publish?id=``."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # a worker may have another user
        configuration = Path(folder, "nginx.conf")
        text = textwrap.dedent(_CONFIGURATION).format(module=MODULE, folder=folder, port=port)
        configuration.write_text(text, encoding="utf-8")
        command = [NGINX, "-p", folder, "-c", str(configuration)]
        with running(command, partial(listens, port), stderr=subprocess.DEVNULL) as master:
            [worker] = master.children()
            yield Server(f"http://127.0.0.1:{port}", worker)
