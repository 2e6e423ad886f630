"""What the agent is told, and what it is never told."""

from twisted.internet.defer import ensureDeferred

from panteras_dns.box.book import Book
from panteras_dns.box.service import Service


class Agent:
    """A Consul agent as far as a book asks it."""

    def __init__(self) -> None:
        self.known = {}
        self.told = []

    async def services(self):
        return self.known

    async def checks(self):
        return {}

    async def register(self, definition):
        self.known[definition["ID"]] = {
            "ID": definition["ID"], "Service": definition["Name"], "Address": definition["Address"],
            "Port": definition["Port"], "Tags": definition["Tags"], "Meta": definition["Meta"],
        }  # fmt: skip

    async def deregister(self, key):
        self.known.pop(key, None)

    async def tell(self, check, status, output):
        self.told.append((check, status))


def a_service(port: int, key: str = "chosen") -> Service:
    return Service(key, "web", "10.0.0.5", port)


def done(work) -> None:
    assert ensureDeferred(work).result is None


def test_of_two_containers_that_want_one_id_the_first_has_it_and_the_other_is_told() -> None:
    agent = Agent()
    book = Book(agent, "box1")
    done(book.write("first", [a_service(8001)]))
    done(book.write("second", [a_service(8002)]))

    assert agent.known["chosen"]["Port"] == 8001
    assert book.complaints == ["web: SERVICE_ID 'chosen': another container has it: not registered"]

    done(book.compare({"second": [a_service(8002)], "first": [a_service(8001)]}))
    assert agent.known["chosen"]["Port"] == 8001, "who has it keeps it"


def test_the_second_has_it_once_the_first_is_gone() -> None:
    agent = Agent()
    book = Book(agent, "box1")
    for container, port in (("first", 8001), ("second", 8002)):
        done(book.write(container, [a_service(port)]))
    done(book.write("first", []))
    done(book.compare({"second": [a_service(8002)]}))

    assert {key: one["Port"] for key, one in agent.known.items()} == {"chosen": 8002}


def test_somebody_else_s_service_is_not_replaced_by_an_id_that_a_container_chose() -> None:
    agent = Agent()
    agent.known["chosen"] = {"ID": "chosen", "Service": "db", "Meta": {}}
    book = Book(agent, "box1")
    done(book.write("first", [a_service(8001)]))
    done(book.compare({}))

    assert agent.known == {"chosen": {"ID": "chosen", "Service": "db", "Meta": {}}}
    assert book.complaints == ["SERVICE_ID 'chosen': somebody else's service in this agent: not registered"]
