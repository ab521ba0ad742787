package sdk

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/palisade-mesh/palisade/filters/host"
)

func TestHeaders(t *testing.T) {
	var l headerList
	for _, want := range [][][2]string{
		{{":method", "GET"}, {":path", "/"}, {"a", ""}, {"", "b"}},
		{{"x", "1"}},
		{{"x", "1"}, {"x", "2"}, {"y", "a\x00b"}},
		{},
	} {
		got, err := l.decode(encode(want))
		require.NoError(t, err)
		assert.Equal(t, want, got)
	}
	assert.Zero(t, testing.AllocsPerRun(10, func() { _, _ = l.decode(nil) }))
}

// A host that gives what is no header map must not be taken for one that gives other headers.
func TestHeadersRefuseWhatIsNotAMap(t *testing.T) {
	whole := encode([][2]string{{"a", "1"}, {"b", "2"}})
	for n := range whole {
		var l headerList
		_, err := l.decode(whole[:n])
		assert.Error(t, err, "cut after %d bytes", n)
	}
	for at := 0; at < 4+2*8; at += 4 {
		broken := append([]byte(nil), whole...)
		binary.LittleEndian.PutUint32(broken[at:], 1<<32-1)
		var l headerList
		_, err := l.decode(broken)
		assert.Error(t, err, "number at %d", at)
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add(encode([][2]string{{"a", "1"}, {"b", "2"}}))
	f.Add([]byte("\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var l headerList
		list, err := l.decode(b)
		if err != nil {
			return
		}
		again, err := new(headerList).decode(encode(list))
		require.NoError(t, err)
		require.Equal(t, list, again)
	})
}

func TestLentMemory(t *testing.T) {
	var a arena
	inside := func(p *byte) bool {
		return a.buf != nil && uintptr(unsafe.Pointer(p))-uintptr(unsafe.Pointer(&a.buf[0])) < arenaSize
	}
	assert.NotNil(t, a.allocate(5), "before the first callback")
	a.reset()
	first, second := a.allocate(5), a.allocate(1)
	assert.True(t, inside(first) && inside(second))
	assert.EqualValues(t, 8, uintptr(unsafe.Pointer(second))-uintptr(unsafe.Pointer(first)), "aligned, and not in one another")
	assert.False(t, inside(a.allocate(arenaSize)), "what does not fit is allocated")
	assert.False(t, inside(a.allocate(1<<20)))
	assert.True(t, inside(a.allocate(arenaSize-16)), "and does not take the room of what does")
	assert.False(t, inside(a.allocate(1)), "full")
	assert.NotNil(t, a.allocate(0))
	a.reset()
	assert.Equal(t, first, a.allocate(arenaSize), "the next callback has all of it again")
	a.reset()
	a.disable()
	assert.False(t, inside(a.allocate(1)), "what may be kept is not lent")
}

func TestLentMemoryIsNotAllocated(t *testing.T) {
	var a arena
	a.reset()
	assert.Zero(t, testing.AllocsPerRun(100, func() { a.reset(); a.allocate(100); a.allocate(1000) }))
}

// named is a handler that can be told from others.
type named string

func (named) RequestHeaders(host.Host) host.Action { return host.Stop }

// closing is one that wants to know of its end.
type closing struct {
	named
	closed *int
}

func (c closing) Close() { *c.closed++ }

func TestPluginIsClosed(t *testing.T) {
	var p pluginTable
	closed := 0
	for id := range uint32(3) {
		p.create(id).handler = closing{closed: &closed}
	}
	p.remove(1)
	assert.Equal(t, 1, closed)
	p.sweep(func(id uint32) bool { return id != 2 })
	assert.Equal(t, 2, closed)
	assert.Len(t, p.list, 1)
}

func handlerOf(t *pluginTable, stream uint32, s *streamTable) host.Handler {
	if p := t.of(stream, s); p != nil {
		return p.handler
	}
	return nil
}

func TestPluginOfAStream(t *testing.T) {
	var p pluginTable
	var s streamTable
	assert.Nil(t, handlerOf(&p, 9, &s), "nobody is there")
	p.create(1)
	assert.Nil(t, handlerOf(&p, 9, &s), "a plugin without a configuration")
	p.create(1).handler = named("first")
	assert.Equal(t, named("first"), handlerOf(&p, 9, &s), "one plugin has all streams, known or not")

	p.create(2).handler = named("second")
	assert.Nil(t, handlerOf(&p, 9, &s), "of two, one cannot be chosen")
	s.create(3, 1)
	s.create(4, 2)
	assert.Equal(t, named("first"), handlerOf(&p, 3, &s))
	assert.Equal(t, named("second"), handlerOf(&p, 4, &s))
	assert.Nil(t, handlerOf(&p, 4+streamSlots, &s), "another stream that shares the slot")
	s.create(3+streamSlots, 2)
	assert.Nil(t, handlerOf(&p, 3, &s), "forgotten, not mistaken")

	s.create(5, 1)
	p.sweep(func(id uint32) bool { return id != 1 })
	assert.Nil(t, handlerOf(&p, 5, &s), "its plugin is gone, and the other must not decide")
	assert.Equal(t, named("second"), handlerOf(&p, 4, &s))

	p.create(3).handler = named("third")
	s.create(6, 3)
	p.remove(4) // which is a stream's
	p.remove(2)
	assert.Nil(t, handlerOf(&p, 4, &s))
	assert.Equal(t, named("third"), handlerOf(&p, 6, &s))
}
