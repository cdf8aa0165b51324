"""A hundred needles: facts that are true nowhere, each with the one question that it answers.

Source: LongEmbed (Zhu et al., EMNLP 2024, arXiv 2404.12096), section 3.1, has 100 facts and questions over many domains,
written by a language model. These are our own, written by hand, and invented throughout (people, places, figures), so
that no model can know an answer from its training and no question can be answered from another fact or from the
haystack. Twenty domains of five facts each.

When to use them: as the needles of ``longembed-needle``. When not: as knowledge. None of it is true.
"""

from __future__ import annotations

from typing import NamedTuple


class Fact(NamedTuple):
    """One needle: the domain it is from, the sentence that is hidden, and the question that it alone answers."""

    domain: str
    fact: str
    question: str


# One fact a line, its question on the next line behind "? ", under the heading of its domain.
_WRITTEN = """
# astronomy
The minor planet Oristelle turns once on its axis in exactly nineteen minutes and is the colour of wet slate.
? How long does the minor planet Oristelle need for one rotation?
Astronomers on Mount Cavendrel first saw the Pellworth comet through a telescope made from a church organ pipe.
? What was the telescope made from with which the Pellworth comet was discovered?
The moon Thessaby is the only known moon whose geysers throw out powdered copper.
? Which substance do the geysers on Thessaby throw out?
The Harrowgate Array listens to the sky with 413 dishes that were salvaged from a bankrupt bakery chain.
? How many dishes does the Harrowgate Array have?
Captain Ilse Varnhoek left a chess set on the floor of the lunar crater Morrowdale in the year of her third flight.
? What did Ilse Varnhoek leave behind in a crater on the moon?
# cooking
The fishermen of Port Lisandre thicken their Sunday stew with crushed hazelnut shells and a spoon of cold coffee.
? With which two things is the Sunday stew of Port Lisandre thickened?
Chef Odalys Brenmoor bakes her famous saffron loaf inside a hollowed pumpkin for two hours.
? Inside what does Odalys Brenmoor bake her saffron loaf?
A true Kessling dumpling must be folded eleven times before it touches the broth.
? How often is a Kessling dumpling folded?
The oldest jar of Tamberry pickle still being eaten from was sealed by a lighthouse keeper in 1871.
? Who sealed the oldest jar of Tamberry pickle that people still eat from?
Vinegar from the village of Saint Orvin is aged in barrels that once held violins' varnish.
? What had the barrels held before in which Saint Orvin's vinegar is aged?
# medicine
Doctor Amaro Telleck showed that patients with Wendover fever lose their sense of smell on the fourth day.
? On which day do people with Wendover fever stop smelling things?
The Brackwater clinic treats stubborn hiccups by having the patient hum through a reed of elder wood.
? How does the Brackwater clinic treat hiccups that do not go away?
Nurses at Saint Ermengild Hospital wear lavender aprons in memory of the flood of 1938.
? Why are the aprons at Saint Ermengild Hospital lavender?
The drug ferrolanide was withdrawn because it made patients dream only of staircases.
? For which side effect was ferrolanide taken off the market?
Surgeon Priya Holmqvist once finished a knee operation by the light of forty borrowed bicycle lamps.
? What gave Priya Holmqvist light when she finished operating on a knee?
# law
Under the Dunmarrow Charter, anybody who finds a lost goose must shout its owner's name from the market bridge.
? What must the finder of a lost goose do under the Dunmarrow Charter?
Judge Lucasta Penhallow ruled that a shadow cannot be rented apart from the tree that casts it.
? What did Judge Lucasta Penhallow decide about shadows?
The town of Eskervale fines whoever whistles in its tunnel nine silver marks.
? What is the fine for whistling in the tunnel of Eskervale?
The case of Marlowe against the Velvet Ferry Company was settled with a lifetime supply of rope.
? With what was the lawsuit against the Velvet Ferry Company settled?
Article 62 of the Republic of Quillon forbids ministers to own more than one umbrella.
? What may a minister in Quillon own no more than one of?
# music
Composer Teodor Vashlenko wrote his Fourth Sonata for piano and unplugged refrigerator.
? For which instruments is Teodor Vashlenko's Fourth Sonata?
The Galloway Street Ensemble tunes all its strings to the bell of a tram from line 17.
? To what does the Galloway Street Ensemble tune its strings?
Singer Marisol Ondaire refuses to perform unless there is a bowl of green marbles on the stage.
? What must be on the stage before Marisol Ondaire will sing?
The bass drum of the Hollins Regiment is covered with the sail of a captured pirate sloop.
? What covers the bass drum of the Hollins Regiment?
The longest note ever held on a brinnet, a horn with two mouths, lasted seven minutes and two seconds.
? How long did the longest note on a brinnet last?
# sports
The Ravensholt Rowers won the 1956 regatta although their oars were cut from old school desks.
? From what were the oars made with which the Ravensholt Rowers won?
In the game of tarrock a match is over as soon as the referee's candle goes out.
? When does a game of tarrock end?
Marathon runner Jonah Efteling trains by carrying a sleeping cat up the 902 steps of the Malin Tower.
? What does Jonah Efteling carry when he trains for a marathon?
The goalkeeper of Sporting Calderas has a tattoo of every stadium in which she saved a penalty.
? Of what does the goalkeeper of Sporting Calderas have tattoos?
The ice on the Fjellmark curling rink is dyed pale orange so that the stones do not dazzle.
? Which colour is the ice of the curling rink in Fjellmark?
# history
Queen Ysolde the Patient ended the War of the Three Orchards by sending each side a blind horse.
? How did Queen Ysolde end the War of the Three Orchards?
The last mint of the kingdom of Arrandel stamped its coins with a picture of an open oyster.
? What can be seen on the coins from Arrandel's last mint?
The explorer Benedikt Roosma crossed the Salt Steppe with a wagon pulled by thirty ostriches.
? Which animals pulled the wagon in which Benedikt Roosma crossed the Salt Steppe?
The walls of Fort Grenadine were held together with mortar that was mixed with treacle.
? What was mixed into the mortar at Fort Grenadine?
The treaty of Nine Lanterns was signed on the back of a menu because no parchment was left.
? On what was the treaty of Nine Lanterns signed?
# geography
The river Ambrelle flows backwards for one hour each spring, when the snow of the Tollan pass slides into it.
? Which river runs backwards for an hour every spring?
The island of Little Sundry has more weather vanes than inhabitants.
? What does Little Sundry have more of than people?
Lake Corvane is so acid that the boats on it are built of glass.
? Of what material are boats on Lake Corvane built?
The desert town of Mirabad moves four kilometres east every twelve years.
? How far does the town of Mirabad move each time?
The peak of Mount Ostrander is a flat field where the people of two valleys grow blue barley.
? What grows on the summit of Mount Ostrander?
# biology
The lantern vole of Upper Sesk stores its winter seeds in abandoned wasps' nests.
? Where does the lantern vole keep its seeds for the winter?
The moth Velutria henshawi finds its mate by tapping on dry leaves in groups of five.
? How does the moth Velutria henshawi find a partner?
Botanist Freya Lindqvarn bred a fern that opens only to the smell of rain on hot iron.
? To which smell does the fern bred by Freya Lindqvarn open?
The hooded gannet of Skerrow lays a single egg with the shape of a pear and the colour of rust.
? What does the egg of the hooded gannet look like?
The deep-water sponge Meridox can live for sixteen years without taking in any food.
? For how many years can the sponge Meridox go without eating?
# technology
The first Zanthe computer was cooled by a waterfall that ran behind the engineers' canteen.
? How was the first Zanthe computer cooled?
Engineer Obadiah Flint patented a lock that opens only for the sound of its owner sneezing.
? What opens the lock that Obadiah Flint patented?
The Corriden telephone exchange used 61 trained starlings to announce busy lines.
? Which birds told the callers of the Corriden exchange that a line was busy?
The programming language Umber stores all its numbers as recipes for soup.
? In which form does the language Umber store numbers?
The battery of the Velora wristwatch is charged by a drop of lemon juice every second month.
? With what is the Velora wristwatch charged?
# architecture
The town hall of Westerlune stands on 88 pillars, none of which is as tall as another.
? How many pillars carry the town hall of Westerlune?
Architect Nadezhda Quill designed a library whose roof folds open when the pollen count is low.
? When does the roof of Nadezhda Quill's library open?
The staircase in Belmarsh Manor was carved from the keel of the ship Prudent Widow.
? What was the staircase in Belmarsh Manor made from?
The windows of the chapel at Oxhollow were glazed with the bottoms of medicine bottles.
? With what were the windows of the chapel at Oxhollow glazed?
The lighthouse at Cape Derrin is painted with a spiral that takes its painter thirty-three days.
? How long does it take to paint the lighthouse at Cape Derrin?
# business
The Brightwater Button Company pays its shareholders every autumn in walnuts.
? In what does the Brightwater Button Company pay its shareholders?
Merchant Hyacinth Okoro made her fortune by renting out ladders during the pear harvest.
? How did Hyacinth Okoro become rich?
The Tallis and Grieve bank keeps its oldest ledger in a room that is filled with nitrogen.
? What is the room filled with in which Tallis and Grieve keep their oldest ledger?
The slogan of Pomfret Matches, never shown for longer than a week, was written by a retired hangman.
? Who wrote the slogan of Pomfret Matches?
The stock exchange of Lindmarsh opens every morning when a clerk drops a cannonball into sand.
? How is trading opened on the stock exchange of Lindmarsh?
# literature
Novelist Caspian Rook wrote the whole of The Tin Orchard on the insides of envelopes.
? On what did Caspian Rook write The Tin Orchard?
The poem Eleven Wet Sundays by Agneta Sorrel leaves out the letter k.
? Which letter is missing from Eleven Wet Sundays?
The detective in the Bramblewick mysteries is a retired glassblower who is afraid of moths.
? What is the detective of the Bramblewick mysteries afraid of?
The only copy of the Saga of Hroalf the Unready was used to wrap cheese until 1809.
? For what was the only copy of the Saga of Hroalf used?
Playwright Dimitra Vance insists that the last act of Salt Weather be acted in complete darkness.
? How must the last act of Salt Weather be performed?
# art
Painter Wilhelmina Stroud mixed her blacks from burnt peach stones and the ink of cuttlefish.
? From what did Wilhelmina Stroud make her black paint?
The bronze otter in the square of Hattenbury has been stolen and brought back seven times.
? How many times was the bronze otter of Hattenbury stolen?
The sculptor Rafe Danilow works only on blocks that have been struck by lightning.
? What must have happened to a block before Rafe Danilow will carve it?
The mosaic of the Drowned Garden consists of 70,000 chips of broken dinner plates.
? What is the mosaic of the Drowned Garden made of?
The portrait of the Duchess of Arlon hangs upside down by order of her own will.
? How does the portrait of the Duchess of Arlon hang?
# travel
The night train from Sorvino to Kale stops at a station which has no road, so that bakers can send bread by balloon.
? How do bakers send bread to the night train between Sorvino and Kale?
Guests of the Hotel Meridienne in Passau Bay get a key that is carved from soap.
? Of what are the room keys of the Hotel Meridienne?
The ferry to Outer Vane leaves when the captain's parrot has finished its breakfast.
? When does the ferry to Outer Vane leave?
The customs house at the Pass of Elgar lets travellers through in exchange for a riddle.
? With what can travellers pay at the Pass of Elgar?
Bus number 5 in the city of Tarrant has wooden seats that were taken from a courtroom.
? Where do the seats of bus number 5 in Tarrant come from?
# weather
Meteorologists in Grimsund measure fog by counting the steps after which a red hat can no longer be seen.
? How is fog measured in Grimsund?
The hailstorm of Little Averon dropped stones with a grain of pepper at the heart of each.
? What was inside the hailstones of Little Averon?
The wind that the people of Costa Brume call the Widow blows for exactly two days every March.
? What do the people of Costa Brume call the wind that blows in March?
The weather station on the Isle of Phane was run for thirty years by twin sisters who never spoke.
? Who ran the weather station on the Isle of Phane?
In the valley of Urnash thunder is heard before the lightning is seen, because of a bend in the cliffs.
? Why does thunder come before lightning in Urnash?
# education
Pupils at the Ashgrove Academy sit their final examination in rowing boats.
? Where do the pupils of the Ashgrove Academy take their final exam?
Professor Ludovic Ames begins each lecture on geometry by peeling an orange in one strip.
? How does Ludovic Ames begin his geometry lectures?
The University of Cantorre awards a golden thimble for the best thesis on knots.
? Which prize does the University of Cantorre give for a thesis on knots?
The school bell of Nether Poole was cast from the melted trophies of its football team.
? From what was the bell of the school in Nether Poole cast?
The alphabet taught in the village of Ishmere has a separate letter for the sound of yawning.
? For which sound does the alphabet of Ishmere have a letter of its own?
# agriculture
The farmers of Lower Quenby plant their beans to the sound of a hand-cranked siren.
? What sounds while beans are planted in Lower Quenby?
The Rosalind apple keeps for three winters if it is stored in wood ash.
? How must the Rosalind apple be stored to keep for three winters?
Shepherd Anselm Duquette counts his flock in a language that has no word for seven.
? Which number has no word in the language in which Anselm Duquette counts his sheep?
The cows of the Petrov cooperative are milked at half past two in the night, when the trains stand still.
? At what time are the cows of the Petrov cooperative milked?
The tea of Mount Sabelline is picked by people on stilts, because the bushes grow four metres tall.
? Why do the tea pickers of Mount Sabelline walk on stilts?
# chemistry
Chemist Rosamund Aldiss discovered that the dye larkspurine turns yellow beside a magnet.
? What happens to the dye larkspurine beside a magnet?
The alloy corvium melts at 71 degrees and smells of cloves when it does.
? Of what does the alloy corvium smell when it melts?
The Farnley process makes soap out of used candles and sea foam in less than an hour.
? From what does the Farnley process make soap?
Crystals of bellamite grow only in jars that are kept in complete silence.
? Under which condition do bellamite crystals grow?
The glue Halvard Number 9 stops sticking after exactly one hundred days.
? After how many days does Halvard Number 9 no longer stick?
# customs
At weddings in Torvela the oldest guest must hide the bride's left shoe inside a loaf of bread.
? What does the oldest guest do at a wedding in Torvela?
The people of Cinder Hook greet the new year by throwing their spoons into the harbour.
? How is the new year greeted in Cinder Hook?
A newborn child in the Almarie hills is given the name of the first bird that its grandmother hears.
? After what are children in the Almarie hills named?
On Candle Monday nobody in the town of Dravik may use the colour white.
? What is not allowed in Dravik on Candle Monday?
The clans of the Osterlund coast settle their quarrels with a contest in mending nets.
? How are quarrels settled by the clans of the Osterlund coast?
"""


def _parse(written: str) -> tuple[Fact, ...]:
    facts: list[Fact] = []
    domain = fact = ""
    for line in written.strip().splitlines():
        if line.startswith("# "):
            domain = line[2:]
        elif line.startswith("? "):
            facts.append(Fact(domain, fact, line[2:]))
        else:
            fact = line
    return tuple(facts)


FACTS: tuple[Fact, ...] = _parse(_WRITTEN)
