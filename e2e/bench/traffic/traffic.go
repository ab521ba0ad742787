// Package traffic makes requests as people and programs send them, to measure a web application firewall by. No two of a
// pool are alike: a firewall that remembers what it has inspected would look better with a request that is sent over and over
// than it is. All of it comes of a fixed seed, so that two runs send the same.
package traffic

import (
	"fmt"
	"math/rand/v2"
	"net/http"
)

// Request is one HTTP/1.1 request as it is on the wire.
type Request struct {
	// Name says where it is from, such as "json-1k 17".
	Name string
	Wire []byte
	// Status is what a firewall that blocks attacks, and an upstream that answers everything with 200, come to.
	Status int
}

// Scenario is one kind of requests.
type Scenario struct {
	Name string
	// Block is after how many requests the same kinds come again: as many, or a multiple, cost about the same as the next ones.
	Block int
	// size is how many distinct ones there are.
	size int
	make func(v *values, i int) *message
}

// Scenarios are all that there are. Pools of large requests are smaller: they are sent less often, too.
func Scenarios() []Scenario {
	kinds := []Scenario{
		{"get", 1, 6000, func(v *values, _ int) *message { return v.page() }},
		{"get-20-args", 1, 6000, func(v *values, _ int) *message { return v.search() }},
		{"json-1k", 1, 6000, func(v *values, _ int) *message { return v.order() }},
		{"json-10k", 1, 2000, func(v *values, _ int) *message { return v.catalog() }},
		{"form-10k", 1, 2000, func(v *values, _ int) *message { return v.application() }},
		{"upload-100k", 1, 400, func(v *values, _ int) *message { return v.upload() }},
		{"attacks", len(attacks), 100 * len(attacks), func(v *values, i int) *message { return v.attack(i) }},
	}
	return append(kinds, mixed(kinds))
}

// mix is how often each kind, by its place in the list, is among twenty requests, in their order: every twentieth is an attack.
var mix = [20]int{0, 2, 0, 1, 0, 3, 0, 2, 6, 0, 1, 0, 4, 2, 0, 1, 0, 5, 2, 3}

func mixed(kinds []Scenario) Scenario {
	return Scenario{"mixed", len(mix), 100 * len(mix), func(v *values, i int) *message {
		return kinds[mix[i%len(mix)]].make(v, i/len(mix))
	}}
}

// seed is the same for all runs.
const seed = 20260301

// Pool are the scenario's requests, always the same.
func (s Scenario) Pool() []Request { return s.Part(0) }

// Part is one of as many pools as are asked for, none like another.
func (s Scenario) Part(n int) []Request {
	// A scenario's requests do not depend on which others there are.
	var name uint64
	for _, c := range []byte(s.Name) {
		name = name<<8 ^ name>>56 ^ uint64(c)
	}
	v := &values{rand.New(rand.NewPCG(seed+uint64(n), name))}
	pool := make([]Request, s.size)
	for i := range pool {
		m := s.make(v, i)
		pool[i] = Request{Name: fmt.Sprintf("%s %d", s.Name, n*s.size+i), Wire: m.wire(), Status: http.StatusOK}
		if m.attack {
			pool[i].Status = http.StatusForbidden
		}
	}
	return pool
}
