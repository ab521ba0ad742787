// The filter that garbage collectors are compared with. Its plugin configuration is a number and a word. After
// that many requests it collects garbage at the start of the next, when its stack is all but empty; 0 leaves that
// to the collector. With "headers" it allocates like a policy filter does, that is, it reads all request headers
// and adds one; with "none" it does nothing but be called. A second number is for how many kilobytes it holds on to,
// as a filter does to its policy and its cache: what lives is what a collection has to walk.
package main

import (
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm"
	"github.com/tetratelabs/proxy-wasm-go-sdk/proxywasm/types"
)

func main() {}

func init() { proxywasm.SetVMContext(&vm{}) }

type vm struct{ types.DefaultVMContext }

func (*vm) NewPluginContext(uint32) types.PluginContext { return &plugin{} }

type plugin struct {
	types.DefaultPluginContext
	collectEvery int
	requests     int
	sinceCollect int
	readHeaders  bool
	live         []*entry
}

// entry is about a kilobyte: a token and the claims in it.
type entry struct {
	token  []byte
	claims map[string]string
	next   *entry
}

func newEntry(n int, next *entry) *entry {
	number := strconv.Itoa(n)
	return &entry{
		token:  make([]byte, 600),
		claims: map[string]string{"sub": "user-" + number, "iss": "https://idp.example/" + number, "scope": "read " + number},
		next:   next,
	}
}

func (p *plugin) OnPluginStart(int) types.OnPluginStartStatus {
	configuration, err := proxywasm.GetPluginConfiguration()
	if err != nil {
		return types.OnPluginStartStatusOK
	}
	words := strings.Fields(string(configuration))
	p.readHeaders = words[1] == "headers"
	live, err := strconv.Atoi(words[2])
	if err != nil {
		return types.OnPluginStartStatusFailed
	}
	for i := range live {
		var last *entry
		if i > 0 {
			last = p.live[i-1]
		}
		p.live = append(p.live, newEntry(i, last))
	}
	proxywasm.LogInfo("one collection: " + timeCollection())
	if p.collectEvery, err = strconv.Atoi(words[0]); err != nil {
		proxywasm.LogCritical(err.Error())
		return types.OnPluginStartStatusFailed
	}
	return types.OnPluginStartStatusOK
}

// timeCollection is how long a collection takes: least and median of several, in microseconds.
func timeCollection() string {
	var took [21]int
	for i := range took {
		start := time.Now()
		runtime.GC()
		took[i] = int(time.Since(start).Microseconds())
	}
	slices.Sort(took[:])
	return fmt.Sprintf("%d, %d", took[0], took[len(took)/2])
}

func (p *plugin) NewHttpContext(uint32) types.HttpContext {
	if p.sinceCollect++; p.sinceCollect == p.collectEvery {
		p.sinceCollect = 0
		runtime.GC()
	}
	if p.requests++; p.requests%200_000 == 0 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		proxywasm.LogInfo(fmt.Sprintf("after %d requests: %d bytes of memory, %d in use", p.requests, m.Sys, m.HeapInuse))
	}
	return &stream{plugin: p}
}

type stream struct {
	types.DefaultHttpContext
	plugin *plugin
	bytes  int
}

func (s *stream) OnHttpRequestHeaders(int, bool) types.Action {
	if !s.plugin.readHeaders {
		return types.ActionContinue
	}
	headers, err := proxywasm.GetHttpRequestHeaders()
	if err != nil {
		proxywasm.LogCritical(err.Error())
	}
	for _, h := range headers {
		s.bytes += len(h[0]) + len(h[1])
	}
	if err := proxywasm.AddHttpRequestHeader("x-header-bytes", strconv.Itoa(s.bytes)); err != nil {
		proxywasm.LogCritical(err.Error())
	}
	return types.ActionContinue
}
