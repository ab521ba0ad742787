//go:build tinygo.wasm

// Package sdk runs a filter in a Proxy-Wasm module. It is the only package that talks to the host.
package sdk

import (
	"errors"
	"strings"
	"time"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"

	"github.com/palisade-mesh/palisade/filters/host"
)

// Run registers a filter. Call it in func init: a module built as a reactor has no main.
func Run(f host.Filter) {
	proxywasm.SetVMContext(&vm{filter: f})
}

type vm struct {
	types.DefaultVMContext
	filter host.Filter
}

func (v *vm) NewPluginContext(uint32) types.PluginContext { return &plugin{filter: v.filter} }

type plugin struct {
	types.DefaultPluginContext
	filter host.Filter
	stream stream // shared by all streams: they hold no state of their own
}

func (p *plugin) OnPluginStart(int) types.OnPluginStartStatus {
	handler, err := p.filter.Configure(adapter{})
	if err != nil {
		for _, line := range strings.Split(err.Error(), "\n") {
			proxywasm.LogCritical(p.filter.Name + ": " + line)
		}
		return types.OnPluginStartStatusFailed
	}
	p.stream.handler = handler
	return types.OnPluginStartStatusOK
}

func (p *plugin) NewHttpContext(uint32) types.HttpContext { return &p.stream }

type stream struct {
	types.DefaultHttpContext
	handler host.Handler
}

func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	if s.handler != nil && s.handler.RequestHeaders(adapter{}) == host.Continue {
		return types.ActionContinue
	}
	return types.ActionPause
}

// adapter is the host through the SDK. It has no state, so making one costs nothing.
type adapter struct{}

func (adapter) Configuration() ([]byte, error) { return ok(proxywasm.GetPluginConfiguration()) }

func (adapter) RequestHeaders() ([][2]string, error) { return proxywasm.GetHttpRequestHeaders() }

func (adapter) SetRequestHeader(name, value string) error {
	return proxywasm.ReplaceHttpRequestHeader(name, value)
}

func (adapter) AddRequestHeader(name, value string) error {
	return proxywasm.AddHttpRequestHeader(name, value)
}

func (adapter) RemoveRequestHeader(name string) error {
	return absent(proxywasm.RemoveHttpRequestHeader(name))
}

func (adapter) Property(path []string) ([]byte, bool, error) {
	value, err := proxywasm.GetProperty(path)
	if errors.Is(err, types.ErrorStatusNotFound) || errors.Is(err, types.ErrorStatusEmpty) {
		return nil, false, nil
	}
	return value, err == nil, err
}

func (adapter) SetProperty(name string, value []byte) error {
	return proxywasm.SetProperty([]string{name}, value)
}

func (adapter) SharedData(key string) ([]byte, uint32, bool, error) {
	value, cas, err := proxywasm.GetSharedData(key)
	if errors.Is(err, types.ErrorStatusNotFound) || errors.Is(err, types.ErrorStatusEmpty) {
		return nil, cas, false, nil
	}
	return value, cas, err == nil, err
}

func (adapter) SetSharedData(key string, value []byte, cas uint32) error {
	err := proxywasm.SetSharedData(key, value, cas)
	if errors.Is(err, types.ErrorStatusCasMismatch) {
		return host.ErrCAS
	}
	return err
}

func (adapter) Call(function string, argument []byte) ([]byte, error) {
	return proxywasm.CallForeignFunction(function, argument)
}

func (adapter) Reply(status uint32, headers [][2]string, body []byte, grpcStatus int32) error {
	return proxywasm.SendHttpResponse(status, headers, body, grpcStatus)
}

func (adapter) Log(level host.Level, message string) {
	switch level {
	case host.Trace:
		proxywasm.LogTrace(message)
	case host.Debug:
		proxywasm.LogDebug(message)
	case host.Info:
		proxywasm.LogInfo(message)
	case host.Warn:
		proxywasm.LogWarn(message)
	case host.Error:
		proxywasm.LogError(message)
	default:
		proxywasm.LogCritical(message)
	}
}

func (adapter) Now() time.Time { return time.Now() }

// ok makes an absent configuration an empty one.
func ok(value []byte, err error) ([]byte, error) {
	if errors.Is(err, types.ErrorStatusNotFound) || errors.Is(err, types.ErrorStatusEmpty) {
		return nil, nil
	}
	return value, err
}

func absent(err error) error {
	if errors.Is(err, types.ErrorStatusNotFound) {
		return nil
	}
	return err
}
