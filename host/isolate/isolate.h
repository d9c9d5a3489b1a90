/* The isolate process (DESIGN.md 2; host/worker/wire.h says how it is started and what it is told). */
#pragma once

/* Runs a worker's script for the host at the other end of fd 3 until that end is closed; returns the
 * process's exit status. The sandbox is entered when the LOAD frame has been received and
 * before any of it is decoded. */
int isolate_main(const char *worker_name);
