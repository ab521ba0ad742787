package traffic

import "strings"

// Words of which values are made. None is a command's name, as watch is, since the rules take "watch that I have" for a command.
var (
	givenNames = strings.Fields(`Ada Alan Amélie Anna Bjørn Carlos Chiara Daniel Elif Emma Fatima George Hana Ines Ivan Jonas Julia
		Kenji Lars Layla Liam Lucía Maria Mateo Mei Mohammed Nadia Noah Olga Omar Paul Priya Rosa Ruth Samuel Sofia Tariq Théo Uma
		Viktor Wanda Xavier Yara Zoë`)
	familyNames = strings.Fields(`Abebe Andersson Becker Bernard Brown Chen Costa D'Angelo Dubois Eriksen Ferrari García Haddad Hansen
		Ivanova Jansen Johnson Kaya Kim Kowalski Lopez MacDonald Meier Müller Nakamura Nguyen Novák O'Brien O'Connor Okafor Olsen
		Patel Pereira Popescu Rossi Sanders Schmidt Silva Singh Smith Sørensen Tanaka Virtanen Weber Williams Yılmaz Zhang`)
	cities = []string{"Amsterdam", "Athens", "Barcelona", "Berlin", "Bern", "Buenos Aires", "Copenhagen", "Dublin", "Geneva", "Hamburg",
		"Istanbul", "Kraków", "Lisbon", "London", "Lyon", "Malmö", "Montréal", "Munich", "New York", "Oslo", "Porto", "Prague", "Rome",
		"San José", "St. Gallen", "Sydney", "Tokyo", "Vienna", "Zürich"}
	streets = []string{"Bahnhofstrasse", "Baker Street", "Calle Mayor", "Church Road", "Grand-Rue", "Hauptstraße", "High Street",
		"King's Road", "Lindenallee", "Market Square", "Mill Lane", "Park Avenue", "Queen's Gate", "Rue de l'Église", "Station Road",
		"Via Roma", "Victoria Terrace", "Wiesenweg"}
	mailHosts = []string{"example.com", "example.net", "example.org", "mail.example", "post.example", "students.university.example"}
	webHosts  = []string{"www.example.com", "cdn.example.net", "blog.example.org", "www.shop.example", "partner.example", "news.example"}

	qualities = strings.Fields(`Adjustable Antique Blue Classic Compact Cosy Deluxe Elegant Foldable Green Handmade Heavy Large Light
		Modern Organic Portable Premium Red Round Simple Small Soft Sturdy Vintage Waterproof White Wide Yellow`)
	materials = strings.Fields(`Aluminium Bamboo Canvas Ceramic Copper Cork Cotton Felt Glass Granite Leather Linen Marble Oak Paper
		Pine Porcelain Rubber Silk Steel Stone Velvet Walnut Wool`)
	things = strings.Fields(`Armchair Backpack Basket Bench Bicycle Blanket Bookshelf Bottle Bowl Camera Candle Carpet Chair Clock
		Coat Cup Curtain Cushion Desk Guitar Hammock Hat Jacket Kettle Lamp Mirror Notebook Pan Pillow Plate Radio Scarf Shirt Shoes
		Sofa Stool Suitcase Table Teapot Tent Towel Umbrella Vase Wallet Wardrobe`)
	categories = strings.Fields(`Bath Books Clothing Electronics Garden Kids Kitchen Living Music Office Outdoor Sports Toys Travel`)
	colors     = strings.Fields(`anthracite beige black blue brown cream green grey navy olive orange pink purple red turquoise white`)
	languages  = strings.Fields(`de-CH de-DE en-GB en-US es-ES fr-CH fr-FR it-IT ja-JP nl-NL pl-PL pt-BR sv-SE tr-TR`)
	currencies = strings.Fields(`CHF EUR GBP JPY NOK PLN SEK USD`)
	countries  = strings.Fields(`AT BE CH CZ DE DK ES FR GB IE IT JP NL NO PL PT SE US`)
	statuses   = strings.Fields(`cancelled delivered new paid pending returned shipped`)
)

// sentences have %p for a product, %t a thing, %n a name, %c a city, %s a street, %d a number, %e a price, %D a day, %o an order,
// %_ for a percent sign.
var sentences = []string{
	"I'd like to know when the %p will be back in stock.",
	"We've ordered it for our flat in %c, and it hasn't arrived yet!",
	"Please leave the parcel with the neighbours (%n, %s) if nobody's at home.",
	"The colour isn't quite what I expected, but the quality is very good.",
	"Could you please deliver after %D? We're on holiday until then.",
	"It's %d cm wide; will that fit through a normal door?",
	"My invoice for order %o says %e instead of the price on the website.",
	"Thanks a lot for the quick reply, %n; that's what I was looking for.",
	"The %t looks great next to the old one – my partner loves it.",
	"Don't forget: there's a discount of 10%_ for students, isn't there?",
	"I've been using this %t for %d months now and I'm still happy with it.",
	"The assembly took about %d minutes, and all the screws were there.",
	"Unfortunately one of the parts was missing; I've written to you on %D.",
	"\"Good value for money\" is what my sister said when she saw it.",
	"Is the %p also available in a larger size, e.g. for %d people?",
	"Our new address is %s, %c. Please update it in my account.",
	"Shipping to %c costs %e, which seems rather a lot for such a small %t.",
	"We're opening a second shop in %c this summer, at %s.",
	"First of all: congratulations to %n and the whole team!",
	"The instructions are in German & French, but not in English.",
	"I would buy it again, although the delivery took %d days.",
	"It doesn't matter whether it comes on Monday or on Tuesday.",
	"Compared with the %p that I had before, this one's much lighter.",
	"Rated 4/5, because the packaging could be better.",
	"Can I return it within 30 days, even if it's been opened?",
	"He's asked for the %t from the catalogue, page %d, top right.",
	"The café at %s is closed on Sundays, so let's meet at %n's place.",
	"You'll find the receipt attached; the total is %e (incl. VAT).",
	"Who's responsible for the warranty: you, or the manufacturer?",
	"Everything was fine... until the handle of the %t broke off :-(",
}
