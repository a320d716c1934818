"""A small version of the load that ``make bench ARGS=serving`` puts on a server."""

import psutil

from benchmarks.serving import under_load
from mellea.serve import App
from tests.serve.serving import serving
from tests.serve.test_limits import until


async def serve(input):
    return "Hello dear world."


async def test_server_lives_among_clients_that_vanish_send_rubbish_or_read_slowly():
    app = App(serve)
    with serving(app) as (address, server):
        load = await under_load(int(address.rpartition(":")[2]), psutil.Process(), 60, 1.0)
        until(lambda: not (app.running or server.server_state.tasks))

    assert load.alive
    assert load.wrong == 0
    assert load.bad > 6
    assert len(load.seconds) >= 54
