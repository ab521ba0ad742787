package chain

import (
	"slices"
	"unsafe"

	"github.com/palisade-mesh/palisade/filters/ascii"
	"github.com/palisade-mesh/palisade/filters/claims"
	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/report"
	"github.com/palisade-mesh/palisade/filters/request"
)

// view is the host as the stages see it. It remembers what the host said in this callback about the request at hand: its
// headers, of which a stage may have changed some, what belongs to its connection, and the claims that were published.
// All changes are made at the host, too, so that nothing is lost when what is remembered has to be forgotten.
type view struct {
	host.Host
	chain *Chain
	stage int // whose call is under way
	ticks ticks

	request   request.Request
	loaded    bool // request is the one at hand
	operation report.Operation

	headers    [][2]string // nil: not read yet
	own        [2][][2]string
	current    int  // which of own was the last in use
	isOwn      bool // headers are own[current], and no stage has them
	properties [maxProperties]property
	known      int // properties
}

// property is one that the host has given.
type property struct {
	path  []string
	value []byte
	found bool
}

// maxProperties is how many are remembered: all that the filters may ask for, of a request with everything.
const maxProperties = 12

// begin starts a callback.
func (v *view) begin(h host.Host) {
	v.Host = h
	v.forget()
}

// forget forgets the request at hand.
func (v *view) forget() {
	v.loaded = false
	v.operation.Forget()
	v.headers, v.isOwn = nil, false
	v.known = 0
}

// Enter implements host.Host.
func (v *view) Enter(stream host.StreamID) bool {
	v.forget()
	return v.Host.Enter(stream)
}

// Resume implements host.Host: the request goes on to the next stage.
func (v *view) Resume() error { return v.chain.resume(v.stage) }

// Request implements request.Shared. A stage is given the headers that there are when it begins, and has them until it ends.
func (v *view) Request() (*request.Request, error) {
	if !v.loaded {
		err := v.request.Load(v)
		v.loaded = err == nil
		return &v.request, err
	}
	headers, err := v.RequestHeaders()
	v.request.SetHeaders(headers)
	return &v.request, err
}

// Operation implements report.SharedOperation.
func (v *view) Operation() *report.Operation { return &v.operation }

// RequestHeaders implements host.Host.
func (v *view) RequestHeaders() ([][2]string, error) {
	v.isOwn = false // what a stage was given is not changed under its hands
	if v.headers != nil {
		return v.headers, nil
	}
	headers, err := v.Host.RequestHeaders()
	if err != nil {
		return nil, err
	}
	v.headers = headers
	return headers, nil
}

// RemoveRequestHeader implements host.Host.
func (v *view) RemoveRequestHeader(name string) error {
	if err := v.Host.RemoveRequestHeader(name); err != nil {
		v.headers, v.loaded = nil, false
		return err
	}
	v.change(name)
	return nil
}

// SetRequestHeader implements host.Host.
func (v *view) SetRequestHeader(name, value string) error {
	if err := v.Host.SetRequestHeader(name, value); err != nil {
		v.headers, v.loaded = nil, false
		return err
	}
	if v.change(name) {
		v.own[v.current] = append(v.own[v.current], [2]string{name, value})
		v.headers = v.own[v.current]
	}
	return nil
}

// AddRequestHeader implements host.Host. Of some headers Envoy makes one value of two, so it is asked again.
func (v *view) AddRequestHeader(name, value string) error {
	v.headers, v.loaded = nil, false
	return v.Host.AddRequestHeader(name, value)
}

// change takes a header out of what is remembered, and tells whether anything is.
func (v *view) change(name string) bool {
	if v.headers == nil || ascii.HasUpper(name) {
		v.headers, v.loaded = nil, false
		return false
	}
	v.loaded = v.loaded && !request.IsRead(name)
	if !v.isOwn {
		v.current ^= 1 // the stage at hand may have the other
		v.isOwn = true
	}
	kept := v.own[v.current][:0] // of the same list, or of the other
	for i := range v.headers {
		if h := &v.headers[i]; h[0] != name {
			kept = append(kept, *h)
		}
	}
	v.own[v.current], v.headers = kept, kept
	return true
}

// Property implements host.Host.
func (v *view) Property(path []string) ([]byte, bool, error) {
	for i := range v.known { // nearly always it is the very same path, as the filters have them from one place
		if p := &v.properties[i]; unsafe.SliceData(p.path) == unsafe.SliceData(path) && len(p.path) == len(path) {
			return p.value, p.found, nil
		}
	}
	if !lasts(path) {
		return v.Host.Property(path)
	}
	for i := range v.known {
		if p := &v.properties[i]; slices.Equal(p.path, path) {
			return p.value, p.found, nil
		}
	}
	value, found, err := v.Host.Property(path)
	if err == nil {
		v.remember(path, value, found)
	}
	return value, found, err
}

func (v *view) remember(path []string, value []byte, found bool) {
	if v.known < maxProperties {
		v.properties[v.known] = property{path, value, found}
		v.known++
	}
}

// lasts tells whether a property is the same as long as the request is at hand: those of connections, what filters before
// this one have left in the metadata, and the claims, of which it is known when they are set.
func lasts(path []string) bool {
	switch path[0] {
	case "connection", "source", "destination", "metadata", claims.Property:
		return true
	}
	return false
}

// SetProperty implements host.Host. Claims are handed over in memory: the stages after the one that publishes them need not
// ask the host. What is published there is not changed afterwards, so it is not copied.
func (v *view) SetProperty(name string, value []byte) error {
	err := v.Host.SetProperty(name, value)
	if name != claims.Property {
		return err
	}
	for i := range v.known {
		if p := &v.properties[i]; slices.Equal(p.path, claims.PropertyPath) {
			p.path = unknown
		}
	}
	if err == nil {
		v.remember(claims.PropertyPath, value, true)
	}
	return err
}

var unknown = []string{""}
