package sdk

import (
	"slices"

	"github.com/palisade-mesh/palisade/filters/host"
)

// plugin is a configuration of the filter. A VM may have several: listeners or routes with the same vm_id and code
// share it, and so do a configuration and the one that replaces it, for as long as old connections last.
type plugin struct {
	id      uint32       // of its context
	handler host.Handler // nil: it has no configuration
}

// pluginTable has the plugins of the VM.
type pluginTable struct {
	list []*plugin
	ever int // how many there have been
}

// of is the plugin that a stream belongs to, nil if there is none.
func (t *pluginTable) of(stream uint32, s *streamTable) *plugin {
	if t.ever == 1 && len(t.list) == 1 {
		return t.list[0] // there has never been anybody else whom it could belong to
	}
	if id, ok := s.parent(stream); ok {
		return t.find(id)
	}
	return nil
}

func (t *pluginTable) find(id uint32) *plugin {
	for _, p := range t.list {
		if p.id == id {
			return p
		}
	}
	return nil
}

// create gives the plugin of an id, a new one if there is none.
func (t *pluginTable) create(id uint32) *plugin {
	p := t.find(id)
	if p == nil {
		p = &plugin{id: id}
		t.list = append(t.list, p)
		t.ever++
	}
	return p
}

// sweep forgets the plugins that the host has deleted. To be told of each deletion as it happens, the module would
// have to export proxy_on_delete, which is called for streams, too: an entry into the VM for every request. So, for
// modules that have not, the host is asked, when a plugin is configured, whether the others' contexts are still there.
func (t *pluginTable) sweep(isThere func(id uint32) bool) {
	t.list = slices.DeleteFunc(t.list, func(p *plugin) bool {
		gone := !isThere(p.id)
		if gone {
			p.close()
		}
		return gone
	})
}

// remove forgets a plugin. An id that is a stream's is none's.
func (t *pluginTable) remove(id uint32) {
	for i, p := range t.list { // not sweep: what its function refers to would be allocated for each stream
		if p.id == id {
			p.close()
			t.list = slices.Delete(t.list, i, i+1)
			return
		}
	}
}

func (p *plugin) close() {
	if c, ok := p.handler.(host.Closer); ok {
		c.Close()
	}
}

const streamSlots = 64

// streamTable remembers which plugin the newest streams belong to. Envoy creates a stream's context right before it
// hands over the request's headers, so a few are enough; they need not be deleted.
type streamTable [streamSlots]struct{ id, parent uint32 }

func (t *streamTable) create(id, parent uint32) {
	slot := &t[id%streamSlots]
	slot.id, slot.parent = id, parent
}

func (t *streamTable) parent(id uint32) (uint32, bool) {
	slot := &t[id%streamSlots]
	return slot.parent, slot.id == id
}
