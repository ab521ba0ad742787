package host

import "strings"

// Metric is one that is defined when first used. Metrics are not worth a request: a host that fails to count is not an error,
// and the failure cannot be counted either.
type Metric struct {
	id      uint32
	defined bool
}

// Add adds to a counter or gauge, which has the same kind and name each time. Nothing is defined to add nothing.
func (m *Metric) Add(h Host, kind MetricKind, name string, delta int64) {
	if delta == 0 {
		return
	}
	if m.define(h, kind, name) {
		_ = h.AddMetric(m.id, delta)
	}
}

// Record adds a sample to a histogram, which has the same name each time.
func (m *Metric) Record(h Host, name string, sample uint64) {
	if m.define(h, Histogram, name) {
		_ = h.RecordMetric(m.id, sample)
	}
}

func (m *Metric) define(h Host, kind MetricKind, name string) bool {
	if !m.defined {
		id, err := h.DefineMetric(kind, name)
		if err != nil {
			return false
		}
		m.id, m.defined = id, true
	}
	return true
}

// Counters are counters by name, defined when first used. Their number is bounded, because Envoy never
// deletes a metric; past the bound a count goes to one that is named "other".
type Counters struct {
	ids map[string]uint32
}

// maxCounters is how many metrics one filter may define: policies times effects times modes, with room
// for a large configuration.
const maxCounters = 4096

// Add counts one. Metrics are not worth a request: a host that fails to count is not an error, and the
// failure cannot be counted either.
func (c *Counters) Add(h Host, name string) {
	id, ok := c.ids[name]
	if !ok {
		if c.ids == nil {
			c.ids = make(map[string]uint32)
		}
		if len(c.ids) >= maxCounters {
			name = "palisade.errors.filter.metrics.kind.too_many"
		}
		var err error
		if id, err = h.DefineMetric(Counter, name); err != nil {
			return
		}
		// Cloned, because a name may be made of a part of the request.
		c.ids[strings.Clone(name)] = id
	}
	_ = h.AddMetric(id, 1)
}

// Label makes a value fit to be a part of a metric's name, in which dots separate parts.
func Label(value string) string {
	if value == "" {
		return "none"
	}
	clean := true
	for i := 0; i < len(value) && clean; i++ {
		clean = isLabel(value[i])
	}
	if clean {
		return value
	}
	return strings.Map(func(r rune) rune {
		if r < 0x80 && isLabel(byte(r)) {
			return r
		}
		return '_'
	}, value)
}

func isLabel(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
