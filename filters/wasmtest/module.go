// Package wasmtest runs a compiled filter under wazero, with a hosttest.Host as the proxy: the ABI is
// Proxy-Wasm 0.2.0, as stock Envoy speaks it.
package wasmtest

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/imports/wasi_snapshot_preview1"
	"github.com/tetratelabs/wazero/sys"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/filters/hosttest"
)

// Module is a compiled filter, ready to be started many times.
type Module struct {
	// Random is where VMs that are started have their random numbers from.
	Random io.Reader

	runtime  wazero.Runtime
	compiled wazero.CompiledModule
}

// Load compiles the module in a file.
func Load(ctx context.Context, file string) (*Module, error) {
	binary, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("wasmtest: %w (make build makes it)", err)
	}
	r := wazero.NewRuntime(ctx)
	if _, err := wasi_snapshot_preview1.Instantiate(ctx, r); err != nil {
		return nil, errors.Join(err, r.Close(ctx))
	}
	compiled, err := r.CompileModule(ctx, binary)
	if err != nil {
		return nil, errors.Join(err, r.Close(ctx))
	}
	m := &Module{Random: rand.Reader, runtime: r, compiled: compiled}
	if err := m.instantiateABI(ctx); err != nil {
		return nil, errors.Join(err, r.Close(ctx))
	}
	return m, nil
}

// Close frees the module and all that was started of it.
func (m *Module) Close(ctx context.Context) error { return m.runtime.Close(ctx) }

// VM is one started instance: what a worker of Envoy has. It has one plugin, or with AddPlugin several.
type VM struct {
	instance api.Module
	ctx      context.Context
	next     uint64 // context id
	plugin   Plugin // the first
	live     map[uint64]bool
	streams  map[uint64]host.StreamID // the hosts' names of streams that are still there
}

// Plugin is a plugin of a VM: a configuration of the filter.
type Plugin struct {
	vm   *VM
	id   uint64
	host *hosttest.Host
}

// Start runs the module's start-up with a host, which stays the plugin's. ErrRefused: the plugin did not start.
func (m *Module) Start(ctx context.Context, h *hosttest.Host) (*VM, error) {
	config := wazero.NewModuleConfig().WithName("").WithStartFunctions("_initialize").WithRandSource(m.Random).
		WithNanotime(h.Monotonic, sys.ClockResolution(1)).
		WithWalltime(func() (int64, int32) { now := h.Now(); return now.Unix(), int32(now.Nanosecond()) }, sys.ClockResolution(1))
	vm := &VM{next: 1, live: map[uint64]bool{}, streams: map[uint64]host.StreamID{}}
	vm.ctx = context.WithValue(ctx, vmKey{}, vm)
	var err error
	// During the start Envoy gives no more than a log.
	vm.instance, err = m.runtime.InstantiateModule(vm.with(h), m.compiled, config)
	if err != nil {
		return nil, err
	}
	if vm.plugin, err = vm.AddPlugin(h); err != nil {
		return nil, errors.Join(err, vm.Close())
	}
	return vm, nil
}

// AddPlugin starts one more plugin in the VM, as Envoy does for a second configuration with the same vm_id.
func (vm *VM) AddPlugin(h *hosttest.Host) (Plugin, error) {
	p := Plugin{vm: vm, id: vm.create(), host: h}
	steps := []struct {
		function string
		argument uint64
		yes      bool // must return true
	}{
		{"proxy_on_context_create", 0, false},
		{"proxy_on_vm_start", 0, true},
		{"proxy_on_configure", uint64(len(h.Config)), true},
	}
	for _, s := range steps {
		result, err := p.call(s.function, p.id, s.argument)
		if err == nil && s.yes && (len(result) != 1 || result[0] == 0) {
			err = ErrRefused
		}
		if err != nil {
			delete(vm.live, p.id)
			return Plugin{}, err
		}
	}
	return p, nil
}

// ErrRefused is a plugin that did not start; the host's log says why.
var ErrRefused = errors.New("wasmtest: the plugin refused to start")

// First is the plugin that the VM was started with.
func (vm *VM) First() Plugin { return vm.plugin }

// Request runs a request of the first plugin.
func (vm *VM) Request() (host.Action, error) { return vm.plugin.Request() }

// Request runs a request's headers through the filter, from the stream's creation to its deletion. An
// error is a trap.
func (p Plugin) Request() (host.Action, error) {
	id := p.vm.create()
	if _, err := p.call("proxy_on_context_create", id, p.id); err != nil {
		return host.Stop, err
	}
	result, err := p.call("proxy_on_request_headers", id, uint64(len(p.host.Headers)), 1)
	if err != nil {
		return host.Stop, err
	}
	if result[0] != 0 && p.host.Sent == nil {
		p.vm.streams[id] = p.host.Stream() // it waits, and may be entered later
		return host.Stop, nil
	}
	return result[0] == 0, p.finish(id)
}

// Finish is the rest of the request at hand, which has waited: its response and the stream's deletion.
func (p Plugin) Finish() error {
	for id, stream := range p.vm.streams {
		if stream == p.host.Stream() {
			delete(p.vm.streams, id)
			return p.finish(id)
		}
	}
	return errors.New("wasmtest: the request at hand has not waited")
}

func (p Plugin) finish(id uint64) error {
	if p.vm.instance.ExportedFunction("proxy_on_response_headers") != nil {
		if _, err := p.call("proxy_on_response_headers", id, 0, 1); err != nil {
			return err
		}
	}
	return p.delete(id)
}

// RequestWithBody runs a request whose body comes in these parts through the filter: of which the host keeps what the filter stops.
// The upstream does not answer.
func (p Plugin) RequestWithBody(parts ...string) (host.Action, error) {
	id := p.vm.create()
	if _, err := p.call("proxy_on_context_create", id, p.id); err != nil {
		return host.Stop, err
	}
	result, err := p.call("proxy_on_request_headers", id, uint64(len(p.host.Headers)), 0)
	for i := 0; err == nil && p.host.Sent == nil && i < len(parts); i++ {
		p.host.Body += parts[i]
		last := uint64(0)
		if i == len(parts)-1 {
			last = 1
		}
		if result, err = p.call("proxy_on_request_body", id, uint64(len(p.host.Body)), last); err == nil && result[0] == 0 {
			p.host.Body = ""
		}
	}
	if err != nil {
		return host.Stop, err
	}
	return result[0] == 0, p.delete(id)
}

// Tick is the end of a period.
func (p Plugin) Tick() error {
	_, err := p.call("proxy_on_tick", p.id)
	return err
}

// HTTPResponse brings the answer to a call that hosttest.Host.Answer has.
func (p Plugin) HTTPResponse(id host.CallID, bodySize uint32) error {
	_, err := p.call("proxy_on_http_call_response", p.id, uint64(id), 1, uint64(bodySize), 0)
	return err
}

// Delete is what Envoy does with a plugin that nobody needs any more.
func (p Plugin) Delete() error { return p.delete(p.id) }

func (p Plugin) delete(id uint64) error {
	for _, optional := range []string{"proxy_on_done", "proxy_on_delete"} {
		if p.vm.instance.ExportedFunction(optional) == nil {
			continue
		}
		if _, err := p.call(optional, id); err != nil {
			return err
		}
	}
	delete(p.vm.live, id)
	return nil
}

// Allocations is how many objects the module has allocated in its heap so far.
func (vm *VM) Allocations() (uint64, error) {
	result, err := vm.plugin.call("palisade_allocations")
	if err != nil {
		return 0, err
	}
	return result[0], nil
}

// Memory is the size of the VM's memory in bytes.
func (vm *VM) Memory() uint32 { return vm.instance.Memory().Size() }

// Close ends the instance.
func (vm *VM) Close() error { return vm.instance.Close(vm.ctx) }

// create gives the id of a new context. Envoy does not use one twice.
func (vm *VM) create() uint64 {
	id := vm.next
	vm.next++
	vm.live[id] = true
	return id
}

func (p Plugin) call(function string, args ...uint64) ([]uint64, error) {
	f := p.vm.instance.ExportedFunction(function)
	if f == nil {
		return nil, fmt.Errorf("wasmtest: the module does not export %s", function)
	}
	return f.Call(p.vm.with(p.host), args...)
}

func (vm *VM) with(h *hosttest.Host) context.Context { return context.WithValue(vm.ctx, hostKey{}, h) }

type (
	hostKey struct{} // whose plugin is called
	vmKey   struct{}
)

// instantiateABI gives the module each import of "env" that it has: an implementation, or a stub that
// says Unimplemented.
func (m *Module) instantiateABI(ctx context.Context) error {
	builder := m.runtime.NewHostModuleBuilder("env")
	for _, f := range m.compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		if module != "env" {
			continue
		}
		implementation := abi[name]
		if implementation == nil {
			implementation = func(*frame) status { return unimplemented }
		}
		builder = builder.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(
			func(ctx context.Context, mod api.Module, stack []uint64) {
				h, vm := ctx.Value(hostKey{}).(*hosttest.Host), ctx.Value(vmKey{}).(*VM)
				stack[0] = uint64(implementation(&frame{ctx: ctx, host: h, vm: vm, module: mod, stack: stack}))
			}), f.ParamTypes(), f.ResultTypes()).Export(name)
	}
	_, err := builder.Instantiate(ctx)
	return err
}

// frame is one call from the module.
type frame struct {
	ctx    context.Context
	host   *hosttest.Host
	vm     *VM
	module api.Module
	stack  []uint64
}

func (f *frame) u32(i int) uint32 { return uint32(f.stack[i]) }

// bytes reads the buffer given by the parameters i (where) and i+1 (how long).
func (f *frame) bytes(i int) []byte {
	b, ok := f.module.Memory().Read(f.u32(i), f.u32(i+1))
	if !ok {
		panic("wasmtest: the module gave a buffer outside its memory")
	}
	return append([]byte(nil), b...)
}

func (f *frame) text(i int) string { return string(f.bytes(i)) }

// give hands a buffer over, in memory that the module allocates, through the pointers i and i+1.
func (f *frame) give(i int, b []byte) status {
	where, size := f.u32(i), f.u32(i+1)
	var address uint32
	if len(b) > 0 {
		result, err := f.module.ExportedFunction("proxy_on_memory_allocate").Call(f.ctx, uint64(len(b)))
		if err != nil {
			panic(err)
		}
		address = uint32(result[0])
		f.module.Memory().Write(address, b)
	}
	f.module.Memory().WriteUint32Le(where, address)
	f.module.Memory().WriteUint32Le(size, uint32(len(b)))
	return ok
}

// pairs encodes a header map as the ABI does.
func pairs(headers [][2]string) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(headers)))
	for _, h := range headers {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(h[0])))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(h[1])))
	}
	for _, h := range headers {
		b = append(append(append(append(b, h[0]...), 0), h[1]...), 0)
	}
	return b
}

func unpairs(b []byte) [][2]string {
	if len(b) < 4 {
		return nil
	}
	n := int(binary.LittleEndian.Uint32(b))
	sizes, data := b[4:], b[4+8*n:]
	headers := make([][2]string, n)
	for i := range headers {
		for j := range 2 {
			size := binary.LittleEndian.Uint32(sizes)
			headers[i][j] = string(data[:size])
			sizes, data = sizes[4:], data[size+1:]
		}
	}
	return headers
}

func propertyPath(s string) []string { return strings.Split(s, "\x00") }
