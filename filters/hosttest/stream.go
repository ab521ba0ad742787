package hosttest

import (
	"maps"
	"slices"

	"github.com/palisade-mesh/palisade/filters/host"
)

// stream is a request that is not at hand.
type stream struct {
	headers    [][2]string
	properties map[string]string
	sent       *Reply
	resumed    bool
}

// NextRequest puts another request in, keeping what belongs to the worker. properties are by path. The request before
// it can be entered again, until EndRequest.
func (h *Host) NextRequest(headers [][2]string, properties map[string]string) {
	h.park()
	h.stream = h.newest() + 1
	h.Headers, h.Properties = slices.Clone(headers), map[string]string{}
	maps.Copy(h.Properties, properties)
	h.Sent, h.Resumed, h.Calls, h.Logs, h.Response = nil, false, nil, nil, nil
	h.Body, h.UpstreamBody, h.Trailers, h.UpstreamTrailers, h.End, h.Closed = "", "", nil, nil, true, false
}

// park puts the request at hand away and overwrites what was lent for it.
func (h *Host) park() {
	h.recall()
	if h.parked == nil {
		h.parked = map[host.StreamID]stream{}
	}
	h.parked[h.stream] = stream{h.Headers, h.Properties, h.Sent, h.Resumed}
}

func (h *Host) newest() host.StreamID {
	newest := h.stream
	for id := range h.parked {
		newest = max(newest, id)
	}
	return newest
}

// EndRequest forgets a request, as when its client goes away.
func (h *Host) EndRequest(id host.StreamID) { delete(h.parked, id-firstStream) }

// firstStream is the first id: none is 0.
const firstStream = 1

// Stream implements host.Host.
func (h *Host) Stream() host.StreamID { return h.stream + firstStream }

// Enter implements host.Host. Entering the request at hand again overwrites what was lent for it, too.
func (h *Host) Enter(id host.StreamID) bool {
	if h.call("Enter") != nil {
		return false
	}
	id -= firstStream
	if _, ok := h.parked[id]; !ok && id != h.stream {
		return false
	}
	h.park()
	s := h.parked[id]
	delete(h.parked, id)
	h.stream, h.Headers, h.Properties, h.Sent, h.Resumed = id, s.headers, s.properties, s.sent, s.resumed
	return true
}

// Reset implements host.Host.
func (h *Host) Reset() error {
	if err := h.call("Reset"); err != nil {
		return err
	}
	h.Closed = true
	return nil
}

// Resume implements host.Host.
func (h *Host) Resume() error {
	if err := h.call("Resume"); err != nil {
		return err
	}
	h.Resumed = true
	return nil
}
