package plugin

import (
	"time"

	"github.com/palisade-mesh/palisade/filters/host"
)

// maxWaiting is how many requests of a worker wait for keys at once; each holds its stream and, in the proxy, its headers.
const maxWaiting = 1024

// waiting is a request that waits for keys.
type waiting struct {
	stream   host.StreamID
	since    time.Time // when it came
	deadline time.Time // when it has waited long enough
	admitted bool      // among those that wait
}

// Tick implements host.Background.
func (p *plugin) Tick(h host.Host) {
	if p.keeper == nil {
		return
	}
	now := h.Now()
	news := p.keeper.Tick(h, now, len(p.waiting) > 0)
	p.wake(h, now, news)
}

// HTTPResponse implements host.Background.
func (p *plugin) HTTPResponse(h host.Host, call host.CallID, bodySize uint32) {
	if p.keeper == nil {
		return
	}
	if now := h.Now(); p.keeper.HTTPResponse(h, call, bodySize, now) {
		p.wake(h, now, true)
	}
}

// wake decides once more about the requests that wait: all of them if there is news, else those that have waited long enough.
func (p *plugin) wake(h host.Host, now time.Time, news bool) {
	left := p.waiting[:0]
	for i := range p.waiting {
		w := p.waiting[i]
		if !news && now.Before(w.deadline) {
			left = append(left, w)
			continue
		}
		if !h.Enter(w.stream) {
			continue // its client did not wait
		}
		action, waits := p.handle(h, &w, now)
		switch {
		case waits:
			left = append(left, w)
		case action == host.Continue:
			p.reporter.Resume(h, p.request.IsGRPC())
		}
	}
	p.waiting = left
}
