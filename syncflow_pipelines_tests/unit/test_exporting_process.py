"""Where a backend is looked for, and which commands are refused before they are started."""

import socket

import pytest

from syncflow_pipelines.openapi.exporting.backend_process import is_taken, port_in, shell_command


@pytest.mark.parametrize(
    ("command", "port"),
    [
        ("uvicorn main:app --reload", None),
        ("uvicorn main:app --port 8001 --reload", 8001),
        ("uvicorn main:app --port=8001", 8001),
        ("flask run -p 5001", 5001),
        ("env PORT=4000 node server.js", 4000),
        ("gunicorn -b 0.0.0.0:8080 main:app", 8080),
        ("granian --interface asgi [::1]:9000", 9000),
        ("python manage.py runserver", None),
        ("python manage.py runserver 8100", 8100),
        ("python manage.py runserver 127.0.0.1:8100", 8100),
        ("docker run -p 9000:80 shop", 9000),
        ("serve --port 99999", None),
        ("serve --workers 4 --timeout 30", None),
    ],
)
def test_the_port_is_the_one_that_the_command_names(command: str, port: int | None) -> None:
    assert port_in(command) == port


def test_a_port_of_this_machine_is_taken_while_somebody_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/openapi.json"
        assert is_taken(url)
    assert not is_taken(url)
    assert not is_taken("http://backend.invalid/openapi.json")


def test_the_variables_of_a_start_command_are_set_beside_those_that_are_there() -> None:
    assert shell_command("npm start", {"PORT": "1"}) == ["env", "PORT=1", "sh", "-c", "npm start"]
