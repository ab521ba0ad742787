// Package hosttest is a proxy for tests: a host.Host with a stream in it that can be made to fail at any
// call.
package hosttest

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"time"
	"unsafe"

	"github.com/palisade-mesh/palisade/filters/host"
)

// ErrFault is what an injected fault returns.
var ErrFault = errors.New("hosttest: injected fault")

// Host is a host with one request in it. The zero value has an empty request.
//
// As in a module, what it gives during a request is valid until the next one, which NextRequest puts into the same
// memory. So a filter that keeps a part of a request without cloning it is found out.
type Host struct {
	Config     []byte
	Headers    [][2]string
	Properties map[string]string // by path, joined with dots: "connection.uri_san_peer_certificate"
	Functions  map[string]func(argument []byte) ([]byte, error)
	Clock      func() time.Time // nil: time.Now

	Sent    *Reply
	Resumed bool // the request was stopped, and goes on
	Logs    []string
	Metrics map[string]int64
	Shared  map[string]string
	// Upstream are the response headers that come from upstream, Response those that were added.
	Upstream, Response [][2]string
	// Bodies and trailers, as far as they are there.
	Body, UpstreamBody         string
	Trailers, UpstreamTrailers [][2]string
	// End is whether nothing of the message at hand follows: NextRequest says so.
	End bool
	// Closed is a stream that was reset.
	Closed bool

	// HTTPCalls are the calls to clusters so far; Answer answers one. Clusters names the clusters that there are.
	HTTPCalls []HTTPCall
	Clusters  []string
	Ticking   time.Duration // the period of SetTick

	// Calls are the names of the calls made so far, without those of the clock.
	Calls []string
	// Fault makes a call fail: it is asked before each, with the number of the call from 0 and its name.
	Fault func(n int, call string) bool

	stream host.StreamID
	parked map[host.StreamID]stream // those that are not at hand

	answer *answer // that HTTPResponse is called for

	metricNames []string
	cas         map[string]uint32
	lent        []byte
	tooLong     [][]byte // what did not fit into lent
}

// Reply is what a filter answered.
type Reply struct {
	Status  uint32
	Headers [][2]string
	Body    string
	GRPC    int32
}

// Header is the reply's first header of a name, "" if there is none.
func (r *Reply) Header(name string) string {
	for _, h := range r.Headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

var _ host.Host = (*Host)(nil)

func (h *Host) call(name string) error {
	n := len(h.Calls)
	h.Calls = append(h.Calls, name)
	if h.Fault != nil && h.Fault(n, name) {
		return ErrFault
	}
	return nil
}

// Configuration implements host.Host.
func (h *Host) Configuration() ([]byte, error) { return h.Config, h.call("Configuration") }

// RequestHeaders implements host.Host.
func (h *Host) RequestHeaders() ([][2]string, error) {
	if err := h.call("RequestHeaders"); err != nil {
		return nil, err
	}
	list := make([][2]string, len(h.Headers))
	for i, p := range h.Headers {
		for j, s := range p {
			list[i][j] = unsafe.String(unsafe.SliceData(h.lend(s)), len(s))
		}
	}
	return list, nil
}

// lend copies a value into memory that the next request gets, too.
func (h *Host) lend(value string) []byte {
	if h.lent == nil {
		h.lent = make([]byte, 0, lentSize)
	}
	start, end := len(h.lent), len(h.lent)+len(value)
	if end > cap(h.lent) {
		b := []byte(value)
		h.tooLong = append(h.tooLong, b)
		return b
	}
	h.lent = append(h.lent, value...)
	return h.lent[start:end:end]
}

// recall overwrites what was lent.
func (h *Host) recall() {
	for _, b := range append(h.tooLong, h.lent) {
		for i := range b {
			b[i] = poison
		}
	}
	h.lent, h.tooLong = h.lent[:0], nil
}

const (
	lentSize = 64 << 10
	poison   = 0xdb // no character of any value that a test has
)

// SetRequestHeader implements host.Host.
func (h *Host) SetRequestHeader(name, value string) error {
	if err := h.call("SetRequestHeader"); err != nil {
		return err
	}
	h.remove(name)
	h.Headers = append(h.Headers, [2]string{strings.Clone(name), strings.Clone(value)})
	return nil
}

// AddRequestHeader implements host.Host.
func (h *Host) AddRequestHeader(name, value string) error {
	if err := h.call("AddRequestHeader"); err != nil {
		return err
	}
	h.Headers = append(h.Headers, [2]string{strings.Clone(name), strings.Clone(value)})
	return nil
}

// RemoveRequestHeader implements host.Host.
func (h *Host) RemoveRequestHeader(name string) error {
	if err := h.call("RemoveRequestHeader"); err != nil {
		return err
	}
	h.remove(name)
	return nil
}

// ResponseHeaders implements host.Host.
func (h *Host) ResponseHeaders() ([][2]string, error) {
	if err := h.call("ResponseHeaders"); err != nil {
		return nil, err
	}
	return append([][2]string{{":status", "200"}}, h.Upstream...), nil
}

// EndOfStream implements host.Host.
func (h *Host) EndOfStream() bool { return h.End }

// RequestBody implements host.Host.
func (h *Host) RequestBody(start, size uint32) ([]byte, error) {
	if err := h.call("RequestBody"); err != nil {
		return nil, err
	}
	return h.lend(cut(h.Body, start, size)), nil
}

// ResponseBody implements host.Host.
func (h *Host) ResponseBody(start, size uint32) ([]byte, error) {
	if err := h.call("ResponseBody"); err != nil {
		return nil, err
	}
	return h.lend(cut(h.UpstreamBody, start, size)), nil
}

func cut(body string, start, size uint32) string {
	from := min(int(start), len(body))
	return body[from:min(from+int(size), len(body))]
}

// RequestTrailers implements host.Host.
func (h *Host) RequestTrailers() ([][2]string, error) {
	return slices.Clone(h.Trailers), h.call("RequestTrailers")
}

// ResponseTrailers implements host.Host.
func (h *Host) ResponseTrailers() ([][2]string, error) {
	return slices.Clone(h.UpstreamTrailers), h.call("ResponseTrailers")
}

// AddResponseHeader implements host.Host.
func (h *Host) AddResponseHeader(name, value string) error {
	if err := h.call("AddResponseHeader"); err != nil {
		return err
	}
	h.Response = append(h.Response, [2]string{strings.Clone(name), strings.Clone(value)})
	return nil
}

func (h *Host) remove(name string) {
	h.Headers = slices.DeleteFunc(h.Headers, func(p [2]string) bool { return strings.EqualFold(p[0], name) })
}

// Property implements host.Host.
func (h *Host) Property(path []string) ([]byte, bool, error) {
	if err := h.call("Property"); err != nil {
		return nil, false, err
	}
	v, ok := h.Properties[strings.Join(path, ".")]
	if !ok {
		return nil, false, nil
	}
	return h.lend(v), true, nil
}

// SetProperty implements host.Host.
func (h *Host) SetProperty(name string, value []byte) error {
	if err := h.call("SetProperty"); err != nil {
		return err
	}
	if h.Properties == nil {
		h.Properties = map[string]string{}
	}
	h.Properties[strings.Clone(name)] = string(value)
	return nil
}

// ShareWith lets another worker have the same shared data.
func (h *Host) ShareWith(other *Host) {
	if h.Shared == nil {
		h.Shared, h.cas = map[string]string{}, map[string]uint32{}
	}
	other.Shared, other.cas = h.Shared, h.cas
}

// SharedData implements host.Host.
func (h *Host) SharedData(key string) ([]byte, uint32, bool, error) {
	if err := h.call("SharedData"); err != nil {
		return nil, 0, false, err
	}
	v, ok := h.Shared[key]
	return h.lend(v), h.cas[key], ok, nil
}

// SetSharedData implements host.Host. Like Envoy, it creates a missing key whatever cas is given.
func (h *Host) SetSharedData(key string, value []byte, cas uint32) error {
	if err := h.call("SetSharedData"); err != nil {
		return err
	}
	if _, ok := h.Shared[key]; ok && cas != 0 && cas != h.cas[key] {
		return host.ErrCAS
	}
	if h.Shared == nil {
		h.Shared, h.cas = map[string]string{}, map[string]uint32{}
	}
	key = strings.Clone(key)
	h.Shared[key] = string(value)
	h.cas[key]++
	return nil
}

// Call implements host.Host.
func (h *Host) Call(function string, argument []byte) ([]byte, error) {
	if err := h.call("Call " + function); err != nil {
		return nil, err
	}
	f := h.Functions[function]
	if f == nil {
		return nil, host.ErrUnimplemented
	}
	result, err := f(argument)
	return h.lend(string(result)), err
}

// DefineMetric implements host.Host.
func (h *Host) DefineMetric(_ host.MetricKind, name string) (uint32, error) {
	if err := h.call("DefineMetric"); err != nil {
		return 0, err
	}
	if i := slices.Index(h.metricNames, name); i >= 0 {
		return uint32(i), nil
	}
	h.metricNames = append(h.metricNames, strings.Clone(name))
	return uint32(len(h.metricNames) - 1), nil
}

// AddMetric implements host.Host.
func (h *Host) AddMetric(id uint32, delta int64) error {
	if err := h.call("AddMetric"); err != nil {
		return err
	}
	if h.Metrics == nil {
		h.Metrics = map[string]int64{}
	}
	h.Metrics[h.metricNames[id]] += delta
	return nil
}

// RecordMetric implements host.Host.
func (h *Host) RecordMetric(id uint32, value uint64) error {
	if err := h.call("RecordMetric"); err != nil {
		return err
	}
	if h.Metrics == nil {
		h.Metrics = map[string]int64{}
	}
	h.Metrics[h.metricNames[id]] = int64(value)
	return nil
}

// Reply implements host.Host.
func (h *Host) Reply(status uint32, headers [][2]string, body []byte, grpcStatus int32) error {
	if err := h.call("Reply"); err != nil {
		return err
	}
	h.Sent = &Reply{Status: status, Body: string(body), GRPC: grpcStatus}
	for _, p := range headers {
		h.Sent.Headers = append(h.Sent.Headers, [2]string{strings.Clone(p[0]), strings.Clone(p[1])})
	}
	return nil
}

// Log implements host.Host.
func (h *Host) Log(_ host.Level, message string) {
	h.Calls = append(h.Calls, "Log") // which cannot fail
	h.Logs = append(h.Logs, strings.Clone(message))
}

// Now implements host.Host.
func (h *Host) Now() time.Time {
	if h.Clock != nil {
		return h.Clock()
	}
	return time.Now()
}

// Monotonic implements host.Host. It is the same clock.
func (h *Host) Monotonic() int64 { return h.Now().UnixNano() }

// Random implements host.Host.
func (h *Host) Random(b []byte) error {
	if err := h.call("Random"); err != nil {
		return err
	}
	_, err := rand.Read(b)
	return err
}
