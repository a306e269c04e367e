"""How the command and its independent tasks run on a machine as it is: import path, streams, processes, processor.

import_path  code comes from where this package was installed, never from the folder that the command runs in
printing     all that the commands print: control signs escaped, long names cut
streams      stdout and stderr that are closed, full or have no reader change nothing but what is told
processor    what decides on a result's last bit besides the code
worker       a worker process, and the process that worker processes are forked from
workers      this process's side of them
"""
