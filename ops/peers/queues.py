#!/usr/bin/env python3
"""jobctl's queue beside PgQueuer and Procrastinate on one server, in turn: 8 connections, one job a fetch,
commits durable; and beside what pgbench's simple updates reach.

    ops/peers/queues.py [--rounds 3] [--jobs 4000] [--processes 1 2]

Prints a table in Markdown. The other two are run as one worker with one connection, which is how their
documentation starts one; as one process with eight workers; and as two with four each, since Python runs on
one core a process. They fence nothing and store no result; a cycle of ours finishes a stage with its
checkpoint and claims the next one with a lease, in one transaction as a worker's slot does, or in two."""

import argparse
import asyncio
import json
import multiprocessing
import os
import pathlib
import re
import statistics
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BENCH, JOBCTL = ROOT / ".build/release/bench", ROOT / ".build/release/jobctl"
CONNECTIONS = 8


async def pgqueuer_fill(address, jobs):
    import asyncpg
    from pgqueuer.db import AsyncpgDriver
    from pgqueuer.queries import Queries
    connection = await asyncpg.connect(**address)
    queries = Queries(AsyncpgDriver(connection))
    if not await connection.fetchval("select to_regclass('pgqueuer')"):
        await queries.install()
    await queries.enqueue(["noop"] * jobs, [None] * jobs, [0] * jobs)
    await connection.close()


async def pgqueuer_work(address, count, started):
    import asyncpg
    from pgqueuer import PgQueuer
    from pgqueuer.types import QueueExecutionMode
    connections = [await asyncpg.connect(**address) for _ in range(count)]
    started()

    async def one(connection):
        queue = PgQueuer.from_asyncpg_connection(connection)

        @queue.entrypoint("noop")
        async def noop(job):
            pass

        await queue.run(batch_size=1, mode=QueueExecutionMode.drain)

    await asyncio.gather(*(one(connection) for connection in connections))


def procrastinate_app(address, count=1):
    import procrastinate
    words = " ".join(f"{'dbname' if key == 'database' else key}={value}" for key, value in address.items())
    app = procrastinate.App(
        connector=procrastinate.PsycopgConnector(conninfo=words, min_size=count, max_size=count))

    @app.task(name="noop")
    async def noop():
        pass

    return app, noop


async def procrastinate_fill(address, jobs):
    app, noop = procrastinate_app(address)
    async with app.open_async():
        if not await app.check_connection_async():
            await app.schema_manager.apply_schema_async()
        await noop.batch_defer_async(*[{} for _ in range(jobs)])


async def procrastinate_work(address, count, started):
    app, _ = procrastinate_app(address, count)
    async with app.open_async():
        started()
        # A worker fetches one job after the other: as many workers as connections.
        await asyncio.gather(*(app.run_worker_async(
            concurrency=1, wait=False, listen_notify=False, install_signal_handlers=False)
            for _ in range(count)))


OURS = [("jobctl", "one transaction"), ("jobctl", "two transactions")]
PEERS = {"PgQueuer": (pgqueuer_fill, pgqueuer_work), "Procrastinate": (procrastinate_fill, procrastinate_work)}


def work(name, address, count, ready, go):
    def started():
        ready.release()
        go.wait()
    asyncio.run(PEERS[name][1](address, count, started))


def rate(name, address, jobs, processes, workers):
    asyncio.run(PEERS[name][0](address, jobs))
    context = multiprocessing.get_context("spawn")
    ready, go = context.Semaphore(0), context.Event()
    arguments = (name, address, workers // processes, ready, go)
    running = [context.Process(target=work, args=arguments) for _ in range(processes)]
    for process in running:
        process.start()
    for _ in running:
        ready.acquire()
    start = time.perf_counter()
    go.set()
    for process in running:
        process.join()
    assert all(process.exitcode == 0 for process in running), f"a worker of {name} failed"
    return jobs / (time.perf_counter() - start)


def ours(home, seconds):
    out = subprocess.run(
        [str(BENCH), "queue", "--cases", "cycles", "--connections", "8", "--seconds", str(seconds), "--json",
         "--home", home], check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in out.splitlines()]
    return {row["case"].rsplit(", ", 1)[1]: row["cycles_per_second"] for row in rows if "cycles_per_second" in row}


def pgbench(address, seconds):
    words = ["pgbench", "-h", address["host"], "-U", address["user"], address["database"]]
    out = subprocess.run(words + ["-N", "-n", "-c", "8", "-j", "2", "-T", str(seconds)],
                         check=True, capture_output=True, text=True).stdout
    return float(re.search(r"tps = ([0-9.]+)", out).group(1))


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--jobs", type=int, default=4000)
    options.add_argument("--processes", type=int, nargs="+", default=[1, 2], choices=[1, 2, 4, 8])
    options.add_argument("--seconds", type=int, default=8)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o711)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")} | {"JOBCTL_HOME": home}
        line = subprocess.run([str(JOBCTL), "local", "start"], check=True, capture_output=True, text=True,
                              env=environment).stdout
        words = dict(word.split("=", 1) for word in line.split())
        base = {"host": words["host"], "user": words["user"]}
        for name in list(PEERS) + ["pgbench"]:
            subprocess.run(["psql", "-q", "-h", base["host"], "-U", base["user"], words["dbname"], "-c",
                            f"create database {name.lower()}"], check=True)
        baseline = base | {"database": "pgbench"}
        subprocess.run(["pgbench", "-h", base["host"], "-U", base["user"], "pgbench", "-i", "-q", "-s", "10"],
                       check=True, capture_output=True)
        # How many processes, and workers in all.
        shapes = {"one worker": (1, 1)} | {
            f"8 workers in {n} process{'es' if n > 1 else ''}": (n, CONNECTIONS) for n in chosen.processes}
        ways = {(name, shape): size for shape, size in shapes.items() for name in PEERS}
        found = {way: [] for way in [*OURS, *ways, "pgbench"]}
        try:
            for _ in range(chosen.rounds):
                for name, value in ours(home, chosen.seconds).items():
                    found["jobctl", name].append(value)
                for (name, shape), (processes, workers) in ways.items():
                    found[name, shape].append(
                        rate(name, base | {"database": name.lower()}, chosen.jobs, processes, workers))
                found["pgbench"].append(pgbench(baseline, chosen.seconds))
        finally:
            subprocess.run([str(JOBCTL), "local", "stop"], env=environment, stdout=subprocess.DEVNULL)
    middle = {way: statistics.median(values) for way, values in found.items()}
    print("| queue | jobs/s | lowest to highest |\n| --- | ---: | --- |")
    for way, values in found.items():
        name = way if isinstance(way, str) else ", ".join(way)
        unit = ", transactions" if name == "pgbench" else ""
        print(f"| {name}{unit} | {middle[way]:,.0f} | {min(values):,.0f} to {max(values):,.0f} |")
    print()
    for shape in shapes:
        faster = max(middle[name, shape] for name in PEERS)
        print(f"{middle[OURS[0]] / faster:.2f} times the faster of the two as {shape} (aim: 4)")
    print(f"{2 * middle[OURS[0]] / middle['pgbench']:.2f} of the cycles that pgbench's transactions allow at two each (aim: 0.5)")


if __name__ == "__main__":
    main()
