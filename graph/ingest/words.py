"""The words that synthetic societies are made of."""

# One word a line would be pages of them.
# ruff: noqa: SIM905

FIRST_NAMES = (
    "Ada Amir Ana Anselm Aiko Beatriz Bao Bruno Carla Chidi Clara Dalia Darius Dmitri Edda Elif Emil Esra "
    "Farid Fatima Felix Freya Gita Goran Greta Hana Hugo Ida Ilan Imani Ines Ivan Jana Jonas Juno Kamal "
    "Kira Kwame Lena Leo Lin Lucia Maja Malik Mara Mateo Mina Nadia Nils Noor Olga Omar Otto Paula Petra "
    "Pilar Priya Quentin Rafael Rania Rosa Ruben Sami Sara Selma Sven Tariq Thea Tomas Uma Viktor Vera "
    "Wanda Xavier Yara Yusuf Zara Zeno"
).split()
LAST_NAMES = (
    "Abara Almeida Andersen Aydin Barros Bauer Becker Bianchi Castillo Chen Costa Dahl Demir Diaz Dubois "
    "Eklund Fischer Fontaine Garcia Gupta Haddad Hansen Hoffmann Ibrahim Ito Ivanov Jensen Kaya Keller "
    "Khan Kim Kowalski Larsen Lehmann Lopes Marino Martin Mbeki Mendes Moreau Nakamura Navarro Nguyen "
    "Novak Okafor Olsen Osei Park Patel Pereira Petrov Popov Quist Ramos Reyes Rossi Roux Sato Schmid "
    "Silva Singh Suzuki Tanaka Torres Tran Ueda Vargas Varga Vega Vogel Wagner Walsh Weber Wolf Yamada "
    "Yilmaz Zhang Zimmer"
).split()
TRAITS = (
    "curious patient outspoken generous cautious witty stubborn warm ambitious dreamy practical loyal "
    "restless shy cheerful sceptical tidy impulsive calm proud forgiving inventive diligent sociable"
).split()
TRADES = (
    "baker gardener carpenter teacher nurse painter tailor librarian postman cook fisher potter musician "
    "student shopkeeper mechanic clockmaker vet journalist photographer weaver bookbinder beekeeper "
    "architect"
).split()
PLACES = (
    "the market square|the old library|the bakery|the harbour|the community garden|the town hall|"
    "the river bank|the tea house|the workshop|the school yard|the theatre|the bus stop|the clinic|"
    "the park|the night market"
).split("|")
PASTIMES = (
    "chess|choir practice|long walks|mending old radios|growing tomatoes|card games|bird watching|"
    "folk dancing|reading mysteries|baking bread|star gazing|swimming in the lake|collecting maps|"
    "writing letters"
).split("|")
SUBJECTS = (
    "gardening|bread baking|local elections|the harbour's history|bee keeping|clock repair|"
    "weather lore|folk songs|chess openings|herbal remedies|the new tram line|river fishing|poetry|"
    "bicycle repair|star constellations|the school's budget|pottery glazes|old maps|dog training|"
    "photography|first aid|tea|carpentry joints|the summer festival|mushrooms|weaving patterns|"
    "town gossip|bookbinding|radio|compost|mathematics|sailing|rain barrels|the mayor's plans|"
    "violin making|migratory birds|cheese|stone walls|languages|printing"
).split("|")
EVENTS = (
    "{name} and I met at {place} and talked about {subject}.",
    "I saw {name} at {place}, busy with {pastime}.",
    "{name} helped me carry my things from {place}.",
    "{name} came late to {place} and said sorry.",
    "{name} lent me a book about {subject}.",
    "I shared a meal with {name} near {place}.",
)
CHATS = (
    "{name} told me at {place} what there is to know about {subject}.",
    "I asked {name} about {subject}, and we laughed a lot.",
    "{name} and I argued about {subject} until {place} closed.",
)
THOUGHTS = (
    "{name} seems happier since taking up {pastime}.",
    "I wonder what {name} thinks of me.",
    "I should ask {name} about {subject} some day.",
    "{name} knows more about {subject} than people think.",
)
PLANS = (
    "Tomorrow I will meet {name} at {place}.",
    "I want to invite {name} to {pastime} next week.",
)
REFLECTIONS = (
    "Looking back, {name} is someone I can rely on.",
    "{name} and I have grown closer through {pastime}.",
    "Whenever {name} is around, I end up talking about {subject}.",
)
LEARNED = (
    "One thing about {subject}: it takes more time than it seems.",
    "{subject} is best learned from someone who does it every day.",
    "There is a good shelf on {subject} in the old library.",
    "Beginners in {subject} should start small and keep notes.",
)
INTERACTIONS = (
    ("chat", 0.1, "a chat about {subject}"),
    ("help", 0.5, "help with {pastime}"),
    ("gift", 0.6, "a small gift"),
    ("argument", -0.5, "an argument about {subject}"),
    ("meal", 0.3, "a meal near {place}"),
)
TIES_INSIDE = ("friend", "housemate", "family", "colleague")
TIES_OUTSIDE = ("acquaintance", "colleague", "neighbour", "friend")
