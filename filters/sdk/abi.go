//go:build tinygo.wasm

package sdk

import "unsafe"

//go:wasmimport env proxy_log
func proxyLog(level uint32, text unsafe.Pointer, size uint32) status

//go:wasmimport env proxy_get_buffer_bytes
func proxyGetBufferBytes(kind, start, limit uint32, value, size unsafe.Pointer) status

//go:wasmimport env proxy_get_header_map_pairs
func proxyGetHeaderMapPairs(kind uint32, value, size unsafe.Pointer) status

//go:wasmimport env proxy_add_header_map_value
func proxyAddHeaderMapValue(kind uint32, name unsafe.Pointer, nameSize uint32, value unsafe.Pointer, size uint32) status

//go:wasmimport env proxy_replace_header_map_value
func proxyReplaceHeaderMapValue(kind uint32, name unsafe.Pointer, nameSize uint32, value unsafe.Pointer, size uint32) status

//go:wasmimport env proxy_remove_header_map_value
func proxyRemoveHeaderMapValue(kind uint32, name unsafe.Pointer, nameSize uint32) status

//go:wasmimport env proxy_get_property
func proxyGetProperty(path unsafe.Pointer, pathSize uint32, value, size unsafe.Pointer) status

//go:wasmimport env proxy_set_property
func proxySetProperty(path unsafe.Pointer, pathSize uint32, value unsafe.Pointer, size uint32) status

//go:wasmimport env proxy_get_shared_data
func proxyGetSharedData(key unsafe.Pointer, keySize uint32, value, size, cas unsafe.Pointer) status

//go:wasmimport env proxy_set_shared_data
func proxySetSharedData(key unsafe.Pointer, keySize uint32, value unsafe.Pointer, size, cas uint32) status

//go:wasmimport env proxy_call_foreign_function
func proxyCallForeignFunction(name unsafe.Pointer, nameSize uint32, arg unsafe.Pointer, argSize uint32,
	value, size unsafe.Pointer) status

//go:wasmimport env proxy_define_metric
func proxyDefineMetric(kind uint32, name unsafe.Pointer, nameSize uint32, id unsafe.Pointer) status

//go:wasmimport env proxy_increment_metric
func proxyIncrementMetric(id uint32, delta int64) status

//go:wasmimport env proxy_record_metric
func proxyRecordMetric(id uint32, value uint64) status

//go:wasmimport env proxy_send_local_response
func proxySendLocalResponse(code uint32, details unsafe.Pointer, detailsSize uint32, body unsafe.Pointer, bodySize uint32,
	headers unsafe.Pointer, headersSize uint32, grpcStatus int32) status

//go:wasmimport env proxy_set_effective_context
func proxySetEffectiveContext(id uint32) status

//go:wasmimport env proxy_continue_stream
func proxyContinueStream(kind uint32) status

//go:wasmimport env proxy_close_stream
func proxyCloseStream(kind uint32) status

//go:wasmimport env proxy_http_call
func proxyHTTPCall(cluster unsafe.Pointer, clusterSize uint32, headers unsafe.Pointer, headersSize uint32,
	body unsafe.Pointer, bodySize uint32, trailers unsafe.Pointer, trailersSize, timeout uint32, id unsafe.Pointer) status

//go:wasmimport env proxy_set_tick_period_milliseconds
func proxySetTickPeriod(milliseconds uint32) status

//go:wasmimport wasi_snapshot_preview1 random_get
func randomGet(b unsafe.Pointer, size uint32) uint32

//go:wasmimport wasi_snapshot_preview1 clock_time_get
func clockTimeGet(clock uint32, precision uint64, time unsafe.Pointer) uint32

// Kinds of header maps, buffers and streams.
const (
	mapRequestHeaders         = 0
	mapRequestTrailers        = 1
	mapResponseHeaders        = 2
	mapResponseTrailers       = 3
	mapAnswerHeaders          = 6
	mapAnswerTrailers         = 7
	bufferRequestBody         = 0
	bufferResponseBody        = 1
	bufferAnswer              = 4
	bufferPluginConfiguration = 7
	streamRequest             = 0
	streamResponse            = 1
)

// status is the ABI's result of a call.
type status uint32

const (
	ok              status = 0
	notFound        status = 1
	badArgument     status = 2
	empty           status = 7
	casMismatch     status = 8
	internalFailure status = 10
	unimplemented   status = 12
)

// absent tells a value that is not there from one that the host failed to give.
func (s status) absent() bool { return s == notFound || s == empty }

// err is nil for ok.
func (s status) err() error {
	if s == ok {
		return nil
	}
	return s
}

// Error implements error.
func (s status) Error() string {
	switch s {
	case notFound:
		return "host: not found"
	case badArgument:
		return "host: bad argument"
	case empty:
		return "host: empty"
	case casMismatch:
		return "host: somebody else changed the shared value"
	case internalFailure:
		return "host: internal failure"
	case unimplemented:
		return "host: unimplemented"
	}
	return "host: the call failed"
}

// out is where the host writes what a call returns. It is global, because a variable whose address leaves the module
// would be allocated for each call.
var out struct {
	data unsafe.Pointer
	size uint32
	word uint32
	time int64
}

var outData, outSize, outWord = unsafe.Pointer(&out.data), unsafe.Pointer(&out.size), unsafe.Pointer(&out.word)

// returned is the value that the last call returned, in lent memory.
func returned() []byte { return unsafe.Slice((*byte)(out.data), out.size) }

func text(s string) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.StringData(s)), uint32(len(s))
}

func bytes(b []byte) (unsafe.Pointer, uint32) {
	return unsafe.Pointer(unsafe.SliceData(b)), uint32(len(b))
}
