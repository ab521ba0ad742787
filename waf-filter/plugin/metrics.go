package plugin

import (
	"strconv"
	"strings"

	"github.com/palisade-mesh/palisade/filters/host"
	"github.com/palisade-mesh/palisade/waf-filter/waf"
)

// countHits counts the rules that matched, whether or not they blocked. The number of metrics is bounded by the reporter.
func (p *plugin) countHits(h host.Host, s *stream) {
	s.tx.Hits(func(hit waf.Hit) bool {
		effect := "detected"
		if hit.Blocked {
			effect = "blocked"
		}
		p.reporter.Count(h, "palisade.waf_hits.policy."+host.Label(s.record.Policy)+".rule."+strconv.Itoa(hit.Rule)+
			".severity."+host.Label(hit.Severity)+".phase."+host.Label(hit.Phase.String())+".effect."+effect)
		return true
	})
}

// countBlocked counts a block as coraza-proxy-wasm does, for whoever has dashboards of it.
func (p *plugin) countBlocked(h host.Host, s *stream) {
	rule := s.record.Rule
	if rule == "" {
		rule = "0"
	}
	p.reporter.Count(h, "waf_filter.tx.interruptions_ruleid="+rule+"_phase="+s.tx.Blocked().String()+p.labels)
}

// peerLabels is how coraza-proxy-wasm writes metric_labels.
func peerLabels(labels [][2]string) string {
	var b strings.Builder
	for _, l := range labels {
		b.WriteString("_" + l[0] + "=" + l[1])
	}
	return b.String()
}
