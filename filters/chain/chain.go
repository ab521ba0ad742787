// Package chain runs several filters in one module as a proxy runs them in a row: a request passes them in order, each
// sees what those before it have made of the request, and may stop it, or have it wait. What is saved is an entry into the
// VM for each, and that each asks the host for what another was told already (see view).
package chain

import (
	"errors"

	"github.com/palisade-mesh/palisade/filters/host"
)

// Start starts the handler of one filter. The host is the one that its callbacks get, too.
type Start func(h host.Host) (host.Handler, error)

// Chain is the Handler of several filters. It is not safe for concurrent use.
type Chain struct {
	stages []stage
	view   view
}

// stage is one filter, with what else it is.
type stage struct {
	handler    host.Handler
	follower   host.Follower   // nil: it has nothing to do with responses
	background host.Background // nil: it has no work beside requests
	timer      timer
}

var _ interface {
	host.Follower
	host.Background
	host.Closer
} = (*Chain)(nil)

var errInspector = errors.New("chain: a filter that looks at bodies cannot be in a chain")

// New starts filters, which requests pass in this order. Each is started, so that an error has the mistakes of all.
func New(h host.Host, starts ...Start) (*Chain, error) {
	c := &Chain{stages: make([]stage, len(starts))}
	c.view.chain = c
	c.view.begin(h)
	var errs []error
	for i, start := range starts {
		c.view.stage = i
		handler, err := start(&c.view)
		if _, is := handler.(host.Inspector); is {
			err = errInspector
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s := &c.stages[i]
		s.handler = handler
		s.follower, _ = handler.(host.Follower)
		s.background, _ = handler.(host.Background)
	}
	if errs != nil {
		return nil, errors.Join(errs...)
	}
	return c, nil
}

// RequestHeaders implements host.Handler.
func (c *Chain) RequestHeaders(h host.Host) host.Action {
	c.view.begin(h)
	return c.pass(0)
}

// pass has the request at hand pass the stages from one on. A stage that stops it has answered it, or resumes it later.
func (c *Chain) pass(from int) host.Action {
	for i := from; i < len(c.stages); i++ {
		c.view.stage = i
		if c.stages[i].handler.RequestHeaders(&c.view) == host.Stop {
			return host.Stop
		}
	}
	return host.Continue
}

// resume has the request at hand go on behind a stage at which it has waited. An error is the host's: it does not go on.
func (c *Chain) resume(stage int) error {
	action := c.pass(stage + 1)
	c.view.stage = stage // whose callback goes on
	if action == host.Stop {
		return nil
	}
	return c.view.Host.Resume()
}

// ResponseHeaders implements host.Follower. As in the proxy, a response passes in the other direction.
func (c *Chain) ResponseHeaders(h host.Host) host.Action {
	c.view.begin(h)
	for i := len(c.stages) - 1; i >= 0; i-- {
		c.view.stage = i
		if f := c.stages[i].follower; f != nil && f.ResponseHeaders(&c.view) == host.Stop {
			return host.Stop
		}
	}
	return host.Continue
}

// StreamEnd implements host.Follower.
func (c *Chain) StreamEnd(h host.Host) {
	c.view.begin(h)
	for i := range c.stages {
		c.view.stage = i
		if f := c.stages[i].follower; f != nil {
			f.StreamEnd(&c.view)
		}
	}
}

// HTTPResponse implements host.Background. Whose call it was, the stages know; no other does anything.
func (c *Chain) HTTPResponse(h host.Host, call host.CallID, bodySize uint32) {
	c.view.begin(h)
	for i := range c.stages {
		c.view.stage = i
		if b := c.stages[i].background; b != nil {
			b.HTTPResponse(&c.view, call, bodySize)
		}
	}
}

// Close implements host.Closer.
func (c *Chain) Close() {
	for i := range c.stages {
		if closer, ok := c.stages[i].handler.(host.Closer); ok {
			closer.Close()
		}
	}
}
