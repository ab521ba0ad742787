//go:build tinygo.wasm

package sdk

import (
	"time"
	"unsafe"

	"github.com/palisade-mesh/palisade/filters/host"
)

// adapter is the host through the ABI. It has no state, so making one costs nothing.
type adapter struct{}

var _ host.Host = adapter{}

func (adapter) Configuration() ([]byte, error) {
	const limit = 1<<31 - 1
	return buffer(bufferPluginConfiguration, 0, limit)
}

func buffer(kind, start, limit uint32) ([]byte, error) {
	out.data, out.size = nil, 0
	s := proxyGetBufferBytes(kind, start, limit, outData, outSize)
	if s.absent() {
		return nil, nil
	}
	if s != ok {
		return nil, s
	}
	return returned(), nil
}

func (adapter) RequestHeaders() ([][2]string, error) { return headers.get(mapRequestHeaders) }

func (l *headerList) get(kind uint32) ([][2]string, error) {
	out.data, out.size = nil, 0
	if s := proxyGetHeaderMapPairs(kind, outData, outSize); s != ok {
		return nil, s
	}
	return l.decode(returned())
}

func (adapter) SetRequestHeader(name, value string) error {
	n, nameSize := text(name)
	v, size := text(value)
	return proxyReplaceHeaderMapValue(mapRequestHeaders, n, nameSize, v, size).err()
}

func (adapter) AddRequestHeader(name, value string) error {
	n, nameSize := text(name)
	v, size := text(value)
	return proxyAddHeaderMapValue(mapRequestHeaders, n, nameSize, v, size).err()
}

func (adapter) RemoveRequestHeader(name string) error {
	n, nameSize := text(name)
	s := proxyRemoveHeaderMapValue(mapRequestHeaders, n, nameSize)
	if s == notFound {
		return nil
	}
	return s.err()
}

func (adapter) ResponseHeaders() ([][2]string, error) { return headers.get(mapResponseHeaders) }

func (adapter) EndOfStream() bool { return current.end }

func (adapter) RequestBody(start, size uint32) ([]byte, error) {
	return buffer(bufferRequestBody, start, size)
}

func (adapter) ResponseBody(start, size uint32) ([]byte, error) {
	return buffer(bufferResponseBody, start, size)
}

func (adapter) RequestTrailers() ([][2]string, error) { return headers.get(mapRequestTrailers) }

func (adapter) ResponseTrailers() ([][2]string, error) { return headers.get(mapResponseTrailers) }

func (adapter) AddResponseHeader(name, value string) error {
	n, nameSize := text(name)
	v, size := text(value)
	return proxyAddHeaderMapValue(mapResponseHeaders, n, nameSize, v, size).err()
}

// path is where a property's path is put together.
var path []byte

func (adapter) Property(names []string) ([]byte, bool, error) {
	path = path[:0]
	for i, name := range names {
		if i > 0 {
			path = append(path, 0)
		}
		path = append(path, name...)
	}
	out.data, out.size = nil, 0
	p, pathSize := bytes(path)
	s := proxyGetProperty(p, pathSize, outData, outSize)
	if s.absent() {
		return nil, false, nil
	}
	if s != ok {
		return nil, false, s
	}
	return returned(), true, nil
}

func (adapter) SetProperty(name string, value []byte) error {
	n, nameSize := text(name)
	v, size := bytes(value)
	return proxySetProperty(n, nameSize, v, size).err()
}

func (adapter) SharedData(key string) ([]byte, uint32, bool, error) {
	out.data, out.size, out.word = nil, 0, 0
	k, keySize := text(key)
	s := proxyGetSharedData(k, keySize, outData, outSize, outWord)
	if s.absent() {
		return nil, out.word, false, nil
	}
	if s != ok {
		return nil, 0, false, s
	}
	return returned(), out.word, true, nil
}

func (adapter) SetSharedData(key string, value []byte, cas uint32) error {
	k, keySize := text(key)
	v, size := bytes(value)
	s := proxySetSharedData(k, keySize, v, size, cas)
	if s == casMismatch {
		return host.ErrCAS
	}
	return s.err()
}

func (adapter) Call(function string, argument []byte) ([]byte, error) {
	out.data, out.size = nil, 0
	f, nameSize := text(function)
	a, size := bytes(argument)
	if s := proxyCallForeignFunction(f, nameSize, a, size, outData, outSize); s != ok {
		return nil, s
	}
	return returned(), nil
}

// A failed count is not worth a VM: these are errors, not panics.

func (adapter) DefineMetric(kind host.MetricKind, name string) (uint32, error) {
	out.word = 0
	n, size := text(name)
	s := proxyDefineMetric(uint32(kind), n, size, outWord)
	return out.word, s.err()
}

func (adapter) AddMetric(id uint32, delta int64) error { return proxyIncrementMetric(id, delta).err() }

func (adapter) RecordMetric(id uint32, value uint64) error {
	return proxyRecordMetric(id, value).err()
}

func (adapter) Reply(code uint32, headers [][2]string, body []byte, grpcStatus int32) error {
	h, headersSize := bytes(encode(headers))
	b, bodySize := bytes(body)
	return proxySendLocalResponse(code, nil, 0, b, bodySize, h, headersSize, grpcStatus).err()
}

func (adapter) Stream() host.StreamID { return host.StreamID(current.stream) }

func (adapter) Enter(stream host.StreamID) bool {
	// There is no better question: Envoy and the specification say BadArgument of a context that does not exist.
	if proxySetEffectiveContext(uint32(stream)) != ok {
		return false
	}
	current.stream = uint32(stream)
	lent.reset()
	// A stream that has ended is there until the end of the event loop's turn, and a reply to it crashes Envoy if the client
	// has reset it (HTTP/2). Only a stream that has ended has a duration.
	if _, ended, err := (adapter{}).Property(streamDuration); err == nil && !ended {
		return true
	}
	proxySetEffectiveContext(current.plugin)
	current.stream = 0
	return false
}

var streamDuration = []string{"request", "duration"}

func (adapter) Resume() error { return proxyContinueStream(streamRequest).err() }

func (adapter) Reset() error { return proxyCloseStream(streamResponse).err() }

func (adapter) HTTPCall(cluster string, headers [][2]string, body []byte, timeout time.Duration) (id host.CallID, err error) {
	c, clusterSize := text(cluster)
	h, headersSize := bytes(encode(headers))
	b, bodySize := bytes(body)
	t, trailersSize := bytes(encode(nil))
	err = asPlugin(func() error {
		out.word = 0
		s := proxyHTTPCall(c, clusterSize, h, headersSize, b, bodySize, t, trailersSize, uint32(timeout.Milliseconds()), outWord)
		id = host.CallID(out.word)
		return s.err()
	})
	return id, err
}

// asPlugin makes a call that is to be the plugin's, whose end is not that of the stream at hand.
func asPlugin(call func() error) error {
	if current.stream == 0 {
		return call()
	}
	proxySetEffectiveContext(current.plugin)
	err := call()
	proxySetEffectiveContext(current.stream)
	return err
}

func (adapter) AnswerHeaders() ([][2]string, error) { return answerHeaders.get(mapAnswerHeaders) }

func (adapter) AnswerTrailers() ([][2]string, error) {
	list, err := answerTrailers.get(mapAnswerTrailers)
	if out.size == 0 {
		return nil, nil // Envoy's way to say that there are none
	}
	return list, err
}

func (adapter) AnswerBody(limit uint32) ([]byte, error) {
	return buffer(bufferAnswer, 0, limit)
}

func (adapter) SetTick(period time.Duration) error {
	return asPlugin(func() error { return proxySetTickPeriod(uint32(period.Milliseconds())).err() })
}

func (adapter) Log(level host.Level, message string) {
	m, size := text(message)
	proxyLog(uint32(min(level, host.Critical)), m, size)
}

func (adapter) Now() time.Time { return time.Now() }

func (adapter) Monotonic() int64 {
	const monotonic = 1 // Envoy gives its steady clock, which is the process's
	out.time = 0
	_ = clockTimeGet(monotonic, 1, unsafe.Pointer(&out.time)) // it fails only for clocks that there are not
	return out.time
}

func (adapter) Random(b []byte) error {
	p, size := bytes(b)
	if randomGet(p, size) != 0 {
		return host.ErrFailed
	}
	return nil
}
