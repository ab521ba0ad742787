//go:build tinygo.wasm

package sdk

import (
	"strings"

	"github.com/palisade-mesh/palisade/filters/host"
)

// What the host calls. toolchain/artifacts.json names the exports that each module keeps: each one that Envoy finds
// is one more entry into the VM for every request, so what has nothing to do is not exported. Envoy does without
// proxy_on_done (absent, it means done), proxy_on_log, and proxy_on_delete where no Handler is a host.Follower (see sweep).

//export proxy_abi_version_0_2_0
func abiVersion() {}

//export proxy_on_vm_start
func onVMStart(_, _ uint32) uint32 { return 1 }

//export proxy_on_context_create
func onContextCreate(id, parent uint32) {
	if parent == 0 {
		plugins.create(id)
		return
	}
	streams.create(id, parent)
}

//export proxy_on_configure
func onConfigure(id, _ uint32) uint32 {
	// Whatever the host gives now may be kept as long as the plugin lives.
	lent.disable()
	plugins.sweep(func(other uint32) bool {
		// There is no better question; Envoy and the specification say BadArgument of a context that does not exist.
		return other == id || proxySetEffectiveContext(other) != badArgument
	})
	proxySetEffectiveContext(id)
	current.plugin, current.stream = id, 0
	handler, err := filter.Configure(adapter{})
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			adapter{}.Log(host.Critical, filter.Name+": "+line)
		}
		return 0 // and no handler, so no request passes
	}
	plugins.create(id).handler = handler
	return 1
}

//export proxy_on_request_headers
func onRequestHeaders(id, _, end uint32) uint32 {
	// 1, StopIteration, is not enough: with allow_on_headers_stop_iteration in the plugin's configuration the filter's body
	// callback, which it does not have, would let the request go on. 4 is StopAllIterationAndWatermark.
	const proceed, pause = 0, 4
	lent.reset()
	p := plugins.of(id, &streams)
	if p == nil || p.handler == nil {
		// Nobody has a policy for this request.
		_ = adapter{}.Reply(503, nil, nil, -1)
		return pause
	}
	current.plugin, current.stream, current.end = p.id, id, end != 0
	if p.handler.RequestHeaders(adapter{}) == host.Continue {
		return proceed
	}
	return pause
}

//export proxy_on_response_headers
func onResponseHeaders(id, _, end uint32) uint32 {
	// StopIteration: the body is looked at before the client gets headers. Envoy takes it for StopAllIterationAndWatermark, after
	// which there is no body callback, unless the plugin's configuration has allow_on_headers_stop_iteration.
	const proceed, pause = 0, 1
	current.end = end != 0
	action := host.Continue
	for _, p := range plugins.list {
		if f := p.follow(id); f != nil && f.ResponseHeaders(adapter{}) == host.Stop {
			action = host.Stop
		}
	}
	if action == host.Stop {
		return pause
	}
	return proceed
}

// Of bodies, StopIterationAndBuffer; of trailers, StopIteration.
const (
	bodyContinues = 0
	bodyWaits     = 1
)

//export proxy_on_request_body
func onRequestBody(id, size, end uint32) uint32 { return inspect(id, size, end, requestBody) }

//export proxy_on_request_trailers
func onRequestTrailers(id, _ uint32) uint32 { return inspect(id, 0, 1, requestTrailers) }

//export proxy_on_response_body
func onResponseBody(id, size, end uint32) uint32 { return inspect(id, size, end, responseBody) }

//export proxy_on_response_trailers
func onResponseTrailers(id, _ uint32) uint32 { return inspect(id, 0, 1, responseTrailers) }

// part is what of a message is inspected.
type part uint8

const (
	requestBody part = iota
	requestTrailers
	responseBody
	responseTrailers
)

func inspect(id, size, end uint32, what part) uint32 {
	current.end = end != 0
	result := uint32(bodyContinues)
	for _, p := range plugins.list {
		f, _ := p.follow(id).(host.Inspector)
		if f != nil && inspectPart(f, size, what) == host.Stop {
			result = bodyWaits
		}
	}
	return result
}

func inspectPart(f host.Inspector, size uint32, what part) host.Action {
	switch what {
	case requestBody:
		return f.RequestBody(adapter{}, size)
	case requestTrailers:
		return f.RequestTrailers(adapter{})
	case responseBody:
		return f.ResponseBody(adapter{}, size)
	}
	return f.ResponseTrailers(adapter{})
}

//export proxy_on_delete
func onDelete(id uint32) {
	plugins.remove(id)
	for _, p := range plugins.list {
		if f := p.follow(id); f != nil {
			f.StreamEnd(adapter{})
		}
	}
}

// follow starts a callback of a stream for a plugin that may have seen its request.
func (p *plugin) follow(stream uint32) host.Follower {
	lent.reset()
	current.plugin, current.stream = p.id, stream
	f, _ := p.handler.(host.Follower)
	return f
}

//export proxy_on_tick
func onTick(id uint32) {
	if b := background(id); b != nil {
		b.Tick(adapter{})
	}
}

//export proxy_on_http_call_response
func onHTTPCallResponse(id, call, _, bodySize, _ uint32) {
	if b := background(id); b != nil {
		b.HTTPResponse(adapter{}, host.CallID(call), bodySize)
	}
}

// background starts a callback of a plugin beside its requests. A plugin that has not started has none.
func background(id uint32) host.Background {
	lent.reset()
	p := plugins.find(id)
	if p == nil {
		return nil
	}
	current.plugin, current.stream = id, 0
	b, _ := p.handler.(host.Background)
	return b
}

// proxy_on_memory_allocate gives the host room for what a call returns. It must not fail: Envoy writes to what it gets.
//
//export proxy_on_memory_allocate
func onMemoryAllocate(size uint32) *byte { return lent.allocate(size) }
