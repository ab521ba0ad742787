package traffic

import (
	"encoding/json"
	"math/rand/v2"
)

// Answers are bodies of an upstream's answers: some 700 bytes of JSON, each with other values.
func Answers() [][]byte {
	v := &values{rand.New(rand.NewPCG(seed, 0))}
	answers := make([][]byte, 5000)
	for i := range answers {
		text, err := json.Marshal(object{
			"id": v.uuid(), "status": v.of(statuses), "updated": v.timestamp(), "total": v.price(), "currency": v.of(currencies),
			"customer": object{"name": v.name(), "email": v.email(), "city": v.of(cities)},
			"items":    list{object{"name": v.product(), "price": v.price()}, object{"name": v.product(), "price": v.price()}},
			"comment":  v.remark(), "next": v.url(), "etag": v.hex(32),
		})
		if err != nil {
			panic(err) // of maps and texts
		}
		answers[i] = text
	}
	return answers
}
