package wasmtest

import (
	"errors"
	"time"

	"github.com/palisade-mesh/palisade/filters/host"
)

// status is the ABI's result of a call.
type status uint32

const (
	ok               status = 0
	notFound         status = 1
	badArgument      status = 2
	casMismatch      status = 8
	internalFault    status = 10
	unimplemented    status = 12
	requestHeaders          = 0
	requestTrailers         = 1
	responseHeaders         = 2
	responseTrailers        = 3
	answerHeaders           = 6
	answerTrailers          = 7
	requestBody             = 0
	responseBody            = 1
	answerBody              = 4
	pluginConfig            = 7
	requestStream           = 0
)

func statusOf(err error) status {
	switch {
	case err == nil:
		return ok
	case errors.Is(err, host.ErrCAS):
		return casMismatch
	case errors.Is(err, host.ErrUnimplemented):
		return notFound // what Envoy says of a foreign function that it does not have
	}
	return internalFault
}

// abi are the host's functions by name, as far as a hosttest.Host goes.
var abi = map[string]func(*frame) status{
	"proxy_log": func(f *frame) status {
		f.host.Log(host.Level(f.u32(0)), f.text(1))
		return ok
	},
	"proxy_get_buffer_bytes": func(f *frame) status {
		var content []byte
		var err error
		switch f.u32(0) {
		case pluginConfig:
			content, err = f.host.Configuration()
		case requestBody:
			content, err = f.host.RequestBody(f.u32(1), f.u32(2))
		case responseBody:
			content, err = f.host.ResponseBody(f.u32(1), f.u32(2))
		case answerBody:
			content, err = f.host.AnswerBody(f.u32(2))
		}
		if err != nil {
			return statusOf(err)
		}
		if len(content) == 0 {
			return notFound
		}
		return f.give(3, content)
	},
	"proxy_get_header_map_pairs": func(f *frame) status {
		var headers [][2]string
		var err error
		switch f.u32(0) {
		case requestHeaders:
			headers, err = f.host.RequestHeaders()
		case responseHeaders:
			headers, err = f.host.ResponseHeaders()
		case requestTrailers:
			headers, err = f.host.RequestTrailers()
		case responseTrailers:
			headers, err = f.host.ResponseTrailers()
		case answerHeaders:
			headers, err = f.host.AnswerHeaders()
		case answerTrailers:
			if headers, err = f.host.AnswerTrailers(); err == nil && len(headers) == 0 {
				return f.give(1, nil) // as Envoy does
			}
		default:
			return badArgument
		}
		if err != nil {
			return statusOf(err)
		}
		return f.give(1, pairs(headers))
	},
	"proxy_add_header_map_value": func(f *frame) status {
		if f.u32(0) == responseHeaders {
			return statusOf(f.host.AddResponseHeader(f.text(1), f.text(3)))
		}
		return statusOf(f.host.AddRequestHeader(f.text(1), f.text(3)))
	},
	"proxy_replace_header_map_value": func(f *frame) status { return statusOf(f.host.SetRequestHeader(f.text(1), f.text(3))) },
	"proxy_remove_header_map_value":  func(f *frame) status { return statusOf(f.host.RemoveRequestHeader(f.text(1))) },
	"proxy_get_property": func(f *frame) status {
		value, found, err := f.host.Property(propertyPath(f.text(0)))
		switch {
		case err != nil:
			return statusOf(err)
		case !found:
			return notFound
		}
		return f.give(2, value)
	},
	"proxy_set_property": func(f *frame) status {
		return statusOf(f.host.SetProperty(f.text(0), f.bytes(2)))
	},
	"proxy_get_shared_data": func(f *frame) status {
		value, cas, found, err := f.host.SharedData(f.text(0))
		switch {
		case err != nil:
			return statusOf(err)
		case !found:
			return notFound
		}
		f.module.Memory().WriteUint32Le(f.u32(4), cas)
		return f.give(2, value)
	},
	"proxy_set_shared_data": func(f *frame) status {
		return statusOf(f.host.SetSharedData(f.text(0), f.bytes(2), f.u32(4)))
	},
	"proxy_call_foreign_function": func(f *frame) status {
		result, err := f.host.Call(f.text(0), f.bytes(2))
		if err != nil {
			return statusOf(err)
		}
		return f.give(4, result)
	},
	"proxy_define_metric": func(f *frame) status {
		id, err := f.host.DefineMetric(host.MetricKind(f.u32(0)), f.text(1))
		if err != nil {
			return statusOf(err)
		}
		f.module.Memory().WriteUint32Le(f.u32(3), id)
		return ok
	},
	"proxy_increment_metric": func(f *frame) status {
		return statusOf(f.host.AddMetric(f.u32(0), int64(f.stack[1])))
	},
	"proxy_record_metric": func(f *frame) status {
		return statusOf(f.host.RecordMetric(f.u32(0), f.stack[1]))
	},
	"proxy_set_effective_context": func(f *frame) status {
		id := uint64(f.u32(0))
		if !f.vm.live[id] {
			return badArgument
		}
		if stream, is := f.vm.streams[id]; is && !f.host.Enter(stream) {
			return badArgument
		}
		return ok
	},
	"proxy_close_stream": func(f *frame) status { return statusOf(f.host.Reset()) },
	"proxy_continue_stream": func(f *frame) status {
		if f.u32(0) != requestStream {
			return badArgument
		}
		return statusOf(f.host.Resume())
	},
	"proxy_http_call": func(f *frame) status {
		timeout := time.Duration(f.u32(8)) * time.Millisecond
		id, err := f.host.HTTPCall(f.text(0), unpairs(f.bytes(2)), f.bytes(4), timeout)
		if err != nil {
			return statusOf(err)
		}
		f.module.Memory().WriteUint32Le(f.u32(9), uint32(id))
		return ok
	},
	"proxy_set_tick_period_milliseconds": func(f *frame) status {
		return statusOf(f.host.SetTick(time.Duration(f.u32(0)) * time.Millisecond))
	},
	"proxy_send_local_response": func(f *frame) status {
		return statusOf(f.host.Reply(f.u32(0), unpairs(f.bytes(5)), f.bytes(3), int32(f.u32(7))))
	},
}
