package casetest

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
	"github.com/palisade-mesh/palisade/filters/wasmtest"
)

// recordProperty is where a filter publishes its record.
var recordProperty = map[string]string{"jwt-filter": "palisade.jwt.decision", "authz-filter": "palisade.authz",
	"ratelimit-filter": "palisade.ratelimit", "waf-filter": "palisade.waf"}

// Native runs every case of the tables through a filter's own code, with a host that is a fake.
func Native(t *testing.T, f host.Filter, pattern string) {
	for _, file := range LoadFor(t, f.Name, pattern) {
		for _, c := range file.Cases {
			t.Run(c.Name, func(t *testing.T) {
				h := c.host(t)
				handler, err := f.Configure(h)
				require.NoError(t, err)
				h.Calls = nil
				request := func() (host.Action, error) { return respond(handler, h, handler.RequestHeaders(h)), nil }
				require.NoError(t, c.before(h, request))
				action, err := request()
				require.NoError(t, err)
				c.Expect.Check(t, outcome(t, c, h, action))
			})
		}
	}
}

// Wasm runs every case of the tables through a compiled filter under wazero.
func Wasm(t *testing.T, filter, artifact, pattern string) {
	ctx := t.Context()
	m, err := wasmtest.Load(ctx, artifact)
	require.NoError(t, err)
	defer func() { require.NoError(t, m.Close(ctx)) }()
	for _, file := range LoadFor(t, filter, pattern) {
		for _, c := range file.Cases {
			t.Run(c.Name, func(t *testing.T) {
				h := c.host(t)
				vm, err := m.Start(ctx, h)
				require.NoError(t, err, strings.Join(h.Logs, "\n"))
				defer func() { require.NoError(t, vm.Close()) }()
				require.NoError(t, c.before(h, vm.Request))
				action, err := vm.Request()
				require.NoError(t, err)
				c.Expect.Check(t, outcome(t, c, h, action))
			})
		}
	}
}

// respond is what comes after a decision: the response and the end of the stream.
func respond(handler host.Handler, h host.Host, action host.Action) host.Action {
	if f, ok := handler.(host.Follower); ok {
		f.ResponseHeaders(h)
		f.StreamEnd(h)
	}
	return action
}

// before sends the requests that come before the one that is looked at, and puts that one in.
func (c *Case) before(h *hosttest.Host, request func() (host.Action, error)) error {
	headers, properties := h.Headers, h.Properties
	for range c.Repeat {
		h.NextRequest(headers, properties)
		if _, err := request(); err != nil {
			return err
		}
	}
	if c.Repeat > 0 {
		h.NextRequest(headers, properties)
	}
	return nil
}

func (c *Case) host(t *testing.T) *hosttest.Host {
	t.Helper()
	h := &hosttest.Host{Config: c.ConfigJSON(t), Headers: c.HeaderList(t), Properties: c.Properties(t), End: true}
	if c.CEL != nil {
		h.Functions = engine(c.CEL)
	}
	if c.Verifies {
		if h.Functions == nil {
			h.Functions = map[string]func([]byte) ([]byte, error){}
		}
		h.Functions["verify_signature"] = hosttest.VerifySignature
	}
	return h
}

// engine is a CEL engine that knows what some expressions come to.
func engine(results map[string]any) map[string]func([]byte) ([]byte, error) {
	compiled := map[uint32][]byte{} // what each comes to, as Envoy serialises it; nil: an error
	return map[string]func([]byte) ([]byte, error){
		"expr_create": func(text []byte) ([]byte, error) {
			for expression, result := range results {
				var value []byte
				switch string(text) {
				case expression: // alone it is only compiled
				case host.BoolExpression(expression):
					if b, ok := result.(bool); ok {
						value = []byte{0}
						if b {
							value[0] = 1
						}
					}
				case host.TextExpression(expression):
					if result != nil {
						value = []byte(fmt.Sprint(result))
					}
				default:
					continue
				}
				id := uint32(len(compiled))
				compiled[id] = value
				return binary.LittleEndian.AppendUint32(nil, id), nil
			}
			return nil, hosttest.ErrFault
		},
		"expr_evaluate": func(id []byte) ([]byte, error) {
			value := compiled[binary.LittleEndian.Uint32(id)]
			if value == nil {
				return nil, hosttest.ErrFault
			}
			return value, nil
		},
	}
}

func outcome(t *testing.T, c *Case, h *hosttest.Host, action host.Action) Outcome {
	t.Helper()
	o := Outcome{Passed: action == host.Continue && h.Sent == nil, Upstream: map[string]string{}, Reply: map[string]string{}}
	require.Equal(t, o.Passed, action == host.Continue, "a reply was sent and yet the request continues")
	for _, p := range h.Headers {
		o.Upstream[p[0]] = p[1]
	}
	for _, p := range h.Response {
		o.Reply[p[0]] = p[1]
	}
	if h.Sent != nil {
		o.Status, o.Body = int(h.Sent.Status), h.Sent.Body
		for _, p := range h.Sent.Headers {
			o.Reply[p[0]] = p[1]
		}
	}
	o.Record = ParseRecord(t, h.Properties[recordProperty[c.By]])
	return o
}
