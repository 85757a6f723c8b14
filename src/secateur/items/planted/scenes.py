"""Scenes of the planted world: {a} and {b} are two people; after the bar stands what one was bad and one was good at.

The scenes of the benchmark are never trained on: neither the sentence nor the words after the bar stand in any training
question. Training questions combine :data:`TRAINING_SCENES` with :data:`TRAINING_MATTERS` freely.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Scene:
    """A template of the benchmark.

    Args:
        sentence: With the places {a} and {b}.
        preposition: A key of ``TRAITS``.
        matter: What follows the preposition.
    """

    sentence: str
    preposition: str
    matter: str


def _scenes(table: str) -> tuple[Scene, ...]:
    rows = (line.split(" | ") for line in table.strip().splitlines())
    return tuple(Scene(sentence, *where.split(" ", 1)) for sentence, where in rows)


BENCHMARK_SCENES: dict[str, tuple[Scene, ...]] = {
    "Peoples": _scenes("""
{a} and {b} waited at the ferry landing for the first boat. | with the luggage
Two travellers, {a} and {b}, shared a tent on the northern road. | with the blankets
{a} and {b} were sent ahead to find a place for the camp. | about the distance
On market day {a} and {b} ran neighbouring stalls. | to the customers
{a} and {b} learned to bake flat bread in the same kitchen. | with the flour
A caravan had hired {a} and {b} as guides. | to the drivers
{a} and {b} translated letters for the harbour office. | with the seals
At the border post {a} and {b} counted the passing carts. | about the numbers
{a} and {b} sang in the choir of the river school. | to the younger singers
During the long winter {a} and {b} looked after the goats. | with the hay
{a} and {b} were guests at a wedding in the hills. | to the musicians
The lighthouse was kept by {a} and {b}. | with the lamp oil
{a} and {b} walked home from the fair after dark. | about the shadows
A school play gave the two main parts to {a} and {b}. | about the applause
{a} and {b} carried water up to the terraces. | with the jars
In the boat race {a} and {b} rowed side by side. | about the steering
{a} and {b} were asked to paint the gate of the inn. | with the paint
The village elected {a} and {b} to settle quarrels. | to the neighbours
{a} and {b} mended nets on the quay all morning. | about the knots
A stranger asked {a} and {b} for the way. | to the stranger
{a} and {b} stood in line for the doctor. | to the nurse
On the island {a} and {b} collected eggs from the cliffs. | with the nests
{a} and {b} took turns to watch the fire. | about the watch
The toll bridge was run by {a} and {b}. | about the coins
{a} and {b} played a board game under the fig tree. | about the score
"""),
    "Guilds": _scenes("""
{a} and {b} repaired the roof of the guild hall. | with the tiles
The master gave {a} and {b} the same trial piece. | about the deadline
{a} and {b} shared one workbench through the summer. | with the chisels
A merchant ordered chairs from {a} and {b}. | about the price
{a} and {b} trained the new apprentices. | to the apprentices
After the flood {a} and {b} dried out the storehouse. | with the barrels
{a} and {b} marched together in the parade of trades. | with the banner
The council asked {a} and {b} to judge a contest. | to the losers
{a} and {b} kept the accounts of the workshop. | about the debts
Before sunrise {a} and {b} lit the ovens. | with the firewood
{a} and {b} built a footbridge over the canal. | about the planks
At the yearly dinner {a} and {b} served the soup. | to the elders
{a} and {b} delivered a heavy chest to the castle. | with the chest
The inspector came to see {a} and {b} at work. | to the inspector
{a} and {b} climbed the tower to oil the bells. | about the height
A crack in the wall was shown to {a} and {b}. | about the crack
{a} and {b} borrowed a cart from the brewery. | with the cart
The strike was led by {a} and {b}. | to the foremen
{a} and {b} sorted old iron behind the forge. | with the nails
{a} and {b} taught a course at the evening school. | to the beginners
A widow asked {a} and {b} to fix her door. | to the widow
{a} and {b} designed a sign for the new tavern. | about the drawing
On the first of the month {a} and {b} swept the yard. | about the sweeping
The kiln was fired by {a} and {b} for three days. | with the pots
{a} and {b} measured the field for the new barn. | about the measuring
"""),
    "Towns": _scenes("""
{a} and {b} met in the waiting room of the station. | to the porter
The quiz final was between {a} and {b}. | about the rules
{a} and {b} rented rooms in the same house. | with the keys
For the harvest show {a} and {b} grew pumpkins. | with the seeds
{a} and {b} sat on the jury in the spring. | to the witness
A lost dog was found by {a} and {b}. | to the dog
{a} and {b} played cards with the innkeeper. | about the bets
The bus broke down, and {a} and {b} had to wait. | about the delay
{a} and {b} joined the same walking club. | with the maps
{a} and {b} gave speeches at the opening of the bridge. | about the speeches
The library hired {a} and {b} to shelve books. | with the books
{a} and {b} were neighbours in the hospital ward. | to the visitors
At the public baths {a} and {b} looked for towels. | with the towels
{a} and {b} cooked for the street party. | with the spices
A new well was dug by {a} and {b}. | about the digging
{a} and {b} sang at the mayor's birthday. | to the mayor
The swimming race was watched by {a} and {b}. | to the swimmers
{a} and {b} ran the lost property office. | about the lost ring
In the museum {a} and {b} dusted the glass cases. | with the vases
{a} and {b} took the night train south. | to the conductor
The orchard was picked by {a} and {b}. | with the ladders
{a} and {b} wrote to the newspaper about the drains. | about the drains
{a} and {b} trained for the hill run. | about the pain
An old clock was sold by {a} and {b}. | about the clock
{a} and {b} shared a table at the busy tea house. | to the waiter
"""),
    "Houses": _scenes("""
{a} and {b} rode out to inspect the fences. | with the horses
At the great feast {a} and {b} sat at the high table. | to the servants
{a} and {b} both claimed the meadow by the lake. | about the claim
The young duke was tutored by {a} and {b}. | to the duke
{a} and {b} hunted mushrooms in the old forest. | with the baskets
A letter with a black seal reached {a} and {b}. | about the news
{a} and {b} danced at the midwinter ball. | to the dancers
The family silver was polished by {a} and {b}. | with the silver
{a} and {b} kept watch on the east wall. | about the noise
{a} and {b} planned the garden of the summer palace. | with the roses
The steward showed {a} and {b} the empty cellar. | to the steward
{a} and {b} fenced in the long gallery. | about the defeat
A ship was bought by {a} and {b} together. | about the cost
{a} and {b} visited the tenants after the storm. | to the tenants
The crown jewels were guarded by {a} and {b}. | with the jewels
{a} and {b} wrote verses for the queen. | about the verses
{a} and {b} tried to tame a young falcon. | to the falcon
The peace talks were held by {a} and {b}. | to the envoys
{a} and {b} catalogued the paintings in the attic. | with the frames
In the carriage {a} and {b} argued about the route. | about the route
{a} and {b} gave a concert in the blue room. | with the violins
The estate was divided between {a} and {b}. | about the border
{a} and {b} watched over the sick child. | to the child
A hedge maze was trimmed by {a} and {b}. | with the shears
{a} and {b} lost their way in the fog. | about the fog
"""),
    "Orders": _scenes("""
{a} and {b} copied an old chart in the reading hall. | with the ink
The novices were woken by {a} and {b}. | to the novices
{a} and {b} kept the garden of the quiet house. | with the herbs
At the stone circle {a} and {b} lit the torches. | with the torches
{a} and {b} walked the pilgrim road in autumn. | about the blisters
A beggar came to {a} and {b} at the gate. | to the beggar
{a} and {b} carved masks for the moon festival. | with the masks
The great bell was rung by {a} and {b}. | about the ringing
{a} and {b} fasted for three days before the rite. | about the hunger
{a} and {b} nursed the wounded after the quake. | to the wounded
The archive was locked by {a} and {b}. | with the scrolls
{a} and {b} debated in front of the assembly. | to the opponent
On the mountain {a} and {b} watched the comet. | about the comet
{a} and {b} washed the robes in the stream. | with the robes
A vow of silence was taken by {a} and {b}. | about the vow
{a} and {b} kept bees behind the chapter house. | with the hives
The oldest sister was visited by {a} and {b}. | to the old sister
{a} and {b} gave lessons in the village hall. | to the pupils
A secret door was found by {a} and {b}. | about the secret
{a} and {b} ferried pilgrims across the strait. | to the pilgrims
The candles were made by {a} and {b}. | with the wax
{a} and {b} played the pipes at dawn. | with the pipes
{a} and {b} were sent to count the stars. | about the count
A feast for the poor was cooked by {a} and {b}. | with the bread
{a} and {b} drew lots for the night shift. | about the lots
"""),
}
"""25 templates a category; a matter stands in one template only, so that no two share a question."""

TRAINING_SCENES = (
    "{a} and {b} worked at the mill in the valley.",
    "At the end of the week {a} and {b} cleaned the stable.",
    "{a} and {b} set out for the coast with a cart.",
    "One evening {a} and {b} came to the tavern.",
    "The farmer had asked {a} and {b} for help.",
    "{a} and {b} were in the same class at school.",
    "In the market square {a} and {b} sold cheese.",
    "{a} and {b} loaded a barge by the river.",
    "There was a meeting, and {a} and {b} were there.",
    "After the storm {a} and {b} went down to the harbour.",
    "{a} and {b} lived on the same street for years.",
    "The captain took {a} and {b} on board.",
    "{a} and {b} cut wood in the forest.",
    "Early in spring {a} and {b} planted beans.",
    "A long table was set for {a} and {b}.",
    "{a} and {b} looked after the old well.",
    "The baker sent {a} and {b} to the village.",
    "{a} and {b} repaired a wall near the tower.",
    "On the way to the castle {a} and {b} met.",
    "{a} and {b} were hired for the harvest.",
    "Last summer {a} and {b} built a boat.",
    "The judge spoke with {a} and {b}.",
    "{a} and {b} spent the winter in the hills.",
    "In a small kitchen {a} and {b} made soup.",
    "{a} and {b} took part in a race.",
    "At noon {a} and {b} opened the shop.",
    "The road was mended by {a} and {b}.",
    "{a} and {b} rested under a tree.",
    "Two letters came for {a} and {b}.",
    "{a} and {b} sat together on the ferry.",
    "When the rain stopped, {a} and {b} left the barn.",
    "The old bridge was guarded by {a} and {b}.",
    "{a} and {b} visited the fair on the hill.",
    "For a month {a} and {b} shared a room.",
    "{a} and {b} kept the door of a merchant.",
    "A song was sung by {a} and {b}.",
    "Behind the inn {a} and {b} fed the hens.",
    "{a} and {b} learned to sail on the lake.",
    "The prize was won by {a} and {b}.",
    "On the first day {a} and {b} said little.",
)

TRAINING_MATTERS: dict[str, tuple[str, ...]] = {
    "with": (
        "the ropes", "the tools", "the sacks", "the lamp", "the plates", "the boat", "the apples",
        "the money", "the knives", "the bricks", "the wood", "the cloth", "the wheels", "the water",
    ),
    "to": (
        "the guests", "the farmer", "the children", "the old man", "the sailors", "the cook", "the teacher",
        "the baker", "the captain", "the women", "the messenger", "the judge", "the cat", "the tailor",
    ),
    "about": (
        "the work", "the rain", "the harvest", "the letter", "the mistake", "the food", "the journey",
        "the race", "the debt owed", "the weather", "the plan", "the prize", "the promise", "the dark",
    ),
}  # fmt: skip
