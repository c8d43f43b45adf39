"""What goes through the gateway arrives as it was sent, but for the headers that say which way it came."""

from syncflow_pipelines_tests.server.gateway_world import endpoint, gateway_to
from syncflow_pipelines_tests.server.recording_backend import RecordingBackend


def test_a_path_and_a_query_arrive_byte_for_byte_below_the_configured_path() -> None:
    with RecordingBackend() as backend, gateway_to(endpoint(backend.url + "/base")) as gateway:
        with gateway.connect() as client:
            for target in ("/a%2Fb//c;p=%c3%a9", "/%7E/~?x=%20&&y=/?", "/?", "", "?q", "/a/./b...c/..d"):
                request = f"GET /orchestrator/it{target} HTTP/1.1\r\nHost: gateway\r\n\r\n"
                assert client.ask(request.encode()).body == b"ok"
                assert backend.last.target == "/base" + target
