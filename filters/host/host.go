// Package host is the proxy as a filter sees it. Host is implemented by package sdk in a Wasm module and
// by package hosttest in tests; a Filter is written against it and never sees the ABI.
package host

import (
	"errors"
	"time"
)

// Host is the proxy. Any call may fail; a failure never widens access.
//
// What it gives to a Handler, slices and all strings made of them, is valid until the Handler returns: the next
// callback overwrites it with another request. Whatever is kept longer (a key of a map, an entry of a cache) must be
// cloned; hosttest overwrites, too, and casetest.NativeWarm and WasmWarm find what was not. What it gives to Configure
// may be kept.
type Host interface {
	// Configuration is the plugin's configuration, as text.
	Configuration() ([]byte, error)

	// RequestHeaders are all request headers in order, with pseudo-headers, names in lower case.
	RequestHeaders() ([][2]string, error)
	// SetRequestHeader replaces all values of a header by one.
	SetRequestHeader(name, value string) error
	// AddRequestHeader adds a value, beside those that are there.
	AddRequestHeader(name, value string) error
	// RemoveRequestHeader removes all values of a header. Removing an absent one is no error.
	RemoveRequestHeader(name string) error
	// ResponseHeaders are those of the response, for Follower.ResponseHeaders, as RequestHeaders are.
	ResponseHeaders() ([][2]string, error)
	// AddResponseHeader adds a value to the response, from Follower.ResponseHeaders.
	AddResponseHeader(name, value string) error

	// EndOfStream tells, in a callback with headers or a body, whether nothing of the message follows. With trailers to follow it
	// is false.
	EndOfStream() bool
	// RequestBody is a part of the body that Inspector.RequestBody is called for.
	RequestBody(start, size uint32) ([]byte, error)
	// ResponseBody is a part of the body that Inspector.ResponseBody is called for.
	ResponseBody(start, size uint32) ([]byte, error)
	// RequestTrailers are all, as RequestHeaders are, from Inspector.RequestTrailers.
	RequestTrailers() ([][2]string, error)
	// ResponseTrailers are all, from Inspector.ResponseTrailers.
	ResponseTrailers() ([][2]string, error)

	// Property reads an attribute; found is false if there is no such value.
	Property(path []string) (value []byte, found bool, err error)
	// SetProperty stores a value in the stream's filter state, where later filters read it as the
	// property of that name and access logs as wasm.<name>.
	SetProperty(name string, value []byte) error

	// SharedData reads a value shared by all workers. cas is for SetSharedData.
	SharedData(key string) (value []byte, cas uint32, found bool, err error)
	// SetSharedData stores a value if nobody else has since cas was read; 0 overwrites whatever is there,
	// and ErrCAS says that somebody has.
	SetSharedData(key string, value []byte, cas uint32) error

	// Call calls a function of the host beyond the ABI: verify_signature, expr_create, expr_evaluate.
	Call(function string, argument []byte) ([]byte, error)

	// DefineMetric gives the id of a metric, the same for the same name.
	DefineMetric(kind MetricKind, name string) (id uint32, err error)
	// AddMetric adds to a counter or gauge.
	AddMetric(id uint32, delta int64) error
	// RecordMetric sets a gauge or adds a histogram's sample.
	RecordMetric(id uint32, value uint64) error

	// Reply ends the request. grpcStatus is for callers that speak gRPC, -1 for none.
	Reply(status uint32, headers [][2]string, body []byte, grpcStatus int32) error

	// Stream names the stream that calls are about.
	Stream() StreamID
	// Enter makes calls be about a stream that was stopped without a reply, from a callback of Background or of
	// another stream. false: it is gone. What the host gave for another stream is then no longer valid.
	Enter(stream StreamID) bool
	// Resume lets the stream go on that was stopped: the next filter gets its headers as they are now.
	Resume() error
	// Reset ends the stream at once, as when a response that has begun must not go on.
	Reset() error

	// HTTPCall sends a request to a cluster of the proxy and returns at once; Background.HTTPResponse gets the answer.
	// headers have :method, :path and :authority. The call is the plugin's, not the stream's: it goes on if that ends.
	HTTPCall(cluster string, headers [][2]string, body []byte, timeout time.Duration) (CallID, error)
	// AnswerHeaders are those of the answer that Background.HTTPResponse is called for.
	AnswerHeaders() ([][2]string, error)
	// AnswerTrailers are its trailers, which may be none.
	AnswerTrailers() ([][2]string, error)
	// AnswerBody is its body, as far as limit.
	AnswerBody(limit uint32) ([]byte, error)
	// SetTick asks for Background.Tick after each period, to the millisecond; 0 ends that.
	SetTick(period time.Duration) error

	// Log writes a line to the proxy's log. Never with a secret.
	Log(level Level, message string)
	// Now is the wall clock.
	Now() time.Time
	// Monotonic is a clock in nanoseconds that only goes forward, and is the same for all workers of the proxy's process.
	Monotonic() int64
	// Random fills b with bytes that nobody can guess.
	Random(b []byte) error
}

// Errors that a Host gives where the ABI has a status of its own.
var (
	ErrCAS           = errors.New("host: somebody else changed the shared value")
	ErrUnimplemented = errors.New("host: no such function")
	ErrFailed        = errors.New("host: the call failed")
)

// CASAbsent is a cas that no value has: with it SetSharedData sets only what is not there yet.
const CASAbsent = ^uint32(0)

// MetricKind is a kind of metric, with the ABI's numbers.
type MetricKind uint32

// The kinds.
const (
	Counter MetricKind = iota
	Gauge
	Histogram
)

// Level is a log level, with the ABI's numbers.
type Level uint32

// The levels.
const (
	Trace Level = iota
	Debug
	Info
	Warn
	Error
	Critical
)

// StreamID names a stream of one worker. Each is used once.
type StreamID uint32

// CallID names a call of one worker to a cluster.
type CallID uint32

// Filter is a filter's entry points: a name, and what makes a handler of a configuration.
type Filter struct {
	Name string // "authz-filter"
	// Configure runs once on the main thread and once on every worker, so it must be idempotent. With an
	// error the plugin does not start, and Envoy fails closed; each line of its text goes to the log.
	Configure func(h Host) (Handler, error)
}

// Configured is a Filter's Configure, of how a configuration is read and how a handler is started with it.
func Configured[C any](decode func(raw []byte) (*C, error), start func(Host, *C) (Handler, error)) func(Host) (Handler, error) {
	return func(h Host) (Handler, error) {
		raw, err := h.Configuration()
		if err != nil {
			return nil, errors.New("config: the host did not give it: " + err.Error())
		}
		c, err := decode(raw)
		if err != nil {
			return nil, err
		}
		return start(h, c)
	}
}

// Handler handles the requests of one worker, one at a time.
type Handler interface {
	// RequestHeaders decides. If it sends no reply the request continues when it returns Continue.
	RequestHeaders(h Host) Action
}

// Closer is what a Handler also is that frees something when its plugin is deleted. The module has to export proxy_on_delete,
// or it is heard of when another plugin is configured.
type Closer interface{ Close() }

// Background is what a Handler also is that has work beside its requests. Calls of its callbacks are about no stream
// until it enters one.
type Background interface {
	// Tick is called after each period of SetTick.
	Tick(h Host)
	// HTTPResponse brings the answer to a call, of which the body has so many bytes. No headers: there was none.
	HTTPResponse(h Host, call CallID, bodySize uint32)
}

// Follower is what a Handler also is that has to do with requests after it has decided on them. The module has to export
// proxy_on_response_headers and proxy_on_delete. Host.Stream says whose callback it is: a Handler hears of all streams
// of its VM, also of other plugins', and has to know its own.
type Follower interface {
	// ResponseHeaders is called when the response's headers are there, also of a reply of the proxy's own. With Stop, and no
	// reply, Inspector.ResponseBody decides when the client gets them.
	ResponseHeaders(h Host) Action
	// StreamEnd is called when a stream is over, in whatever way it ends. There is nothing left of it to ask for.
	StreamEnd(h Host)
}

// Inspector is what a Follower also is that looks at bodies and trailers. The module has to export proxy_on_request_body,
// proxy_on_request_trailers, proxy_on_response_body and proxy_on_response_trailers. With Stop the proxy keeps what has come, and size
// counts it again the next time; with Continue it passes on. A stream that is another plugin's continues.
type Inspector interface {
	Follower
	RequestBody(h Host, size uint32) Action
	RequestTrailers(h Host) Action
	ResponseBody(h Host, size uint32) Action
	ResponseTrailers(h Host) Action
}

// Action is whether the proxy goes on with a request.
type Action bool

// The actions.
const (
	Continue Action = true
	Stop     Action = false // a reply was sent, or could not be, or the request waits: either way nothing passes
)
