/* `postern serve`: the process above the hosts. It opens the listening sockets, as root if it must, starts the hosts
 * and those that die again, forwards reload and end, and speaks to the service manager. It parses nothing that comes
 * from the network. */
#pragma once

/* Serves until SIGTERM or SIGINT; the process's exit code. */
int supervisor_serve(const char *directory);
