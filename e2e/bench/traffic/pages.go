package traffic

import "fmt"

// page is a short GET: of a page, an image, or of one thing in an API.
func (v *values) page() *message {
	m := &message{method: "GET", headers: v.browser()}
	switch v.IntN(7) {
	case 0:
		m.target = "/products/" + v.slug()
	case 1:
		m.target = "/search?" + pairs("q", v.product(), "page", v.number(1, 20))
	case 2:
		m.target = "/blog/" + v.time().Format("2006/01/02") + "/" + v.slug()
	case 3:
		m.target = "/images/" + v.hex(12) + "@2x.webp?" + pairs("w", v.number(100, 2000), "q", v.number(50, 90))
	case 4:
		m.target, m.headers = "/api/v2/orders/"+v.uuid()+"?expand=items,customer", v.client()
	case 5:
		m.target, m.headers = "/api/v2/customers/"+v.number(1000, 999999)+"/addresses", v.client()
	default:
		m.target = "/account/orders?" + pairs("from", v.date(), "status", v.of(statuses))
	}
	return m
}

// search is a GET with 20 arguments.
func (v *values) search() *message {
	return &message{method: "GET", headers: v.browser(), target: "/search?" + pairs(
		"q", v.product(), "category", v.of(categories), "brand", v.of(familyNames), "color", v.of(colors), "size", v.number(34, 48),
		"price_min", v.price(), "price_max", v.price(), "currency", v.of(currencies), "sort", "price_asc", "page", v.number(1, 40),
		"lang", v.of(languages), "city", v.of(cities), "lat", fmt.Sprintf("%.5f", 40+10*v.Float64()),
		"lon", fmt.Sprintf("%.5f", 20*v.Float64()), "available_from", v.timestamp(), "seller", v.name(),
		"utm_source", "newsletter", "utm_campaign", v.slug(), "gclid", v.base64(60), "back", v.url(),
	)}
}
