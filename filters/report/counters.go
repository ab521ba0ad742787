package report

import (
	"strings"

	"github.com/palisade-mesh/palisade/filters/ascii"
	"github.com/palisade-mesh/palisade/filters/decision"
	"github.com/palisade-mesh/palisade/filters/host"
)

// maxDecisionCounters bounds the metrics by policy; Envoy never deletes one. Past it, decisions are counted
// under the policy "other".
const maxDecisionCounters = 4096

// decisionCounters are the metrics of decisions by policy, defined when first used.
type decisionCounters struct {
	policies map[string]*policyCounters
	last     *policyCounters // of the decision before, which most often is of the same policy
	other    policyCounters
	defined  int
}

// policyCounters are the ids of one policy's metrics, by effect and mode.
type policyCounters struct {
	policy  string
	ids     [4]uint32
	known   [4]bool
	allowed *allowed // nil: there are too many policies
}

// of is what is kept of a policy.
func (c *decisionCounters) of(policy string) *policyCounters {
	if c.last == nil || !ascii.Equal(c.last.policy, policy) {
		c.last = c.find(policy)
	}
	return c.last
}

// add counts one of a policy. A host that fails to count is not an error, and the failure cannot be counted either.
func (c *decisionCounters) add(h host.Host, filter string, p *policyCounters, effect decision.Effect, mode decision.Mode) {
	i := combination(effect, mode)
	if !p.known[i] && c.defined >= maxDecisionCounters {
		c.other.policy = "other"
		p = &c.other
	}
	if !p.known[i] {
		id, err := h.DefineMetric(host.Counter, "palisade.decisions.filter."+filter+
			".effect."+string(effect)+".policy."+host.Label(p.policy)+".mode."+string(mode))
		if err != nil {
			return
		}
		p.ids[i], p.known[i] = id, true
		c.defined++
	}
	_ = h.AddMetric(p.ids[i], 1)
}

func (c *decisionCounters) find(policy string) *policyCounters {
	p := c.policies[policy]
	if p == nil {
		if c.policies == nil {
			c.policies = make(map[string]*policyCounters)
		}
		// Cloned, because what names a policy may be a part of the request.
		p = &policyCounters{policy: strings.Clone(policy)}
		if len(c.policies) < maxAllowed {
			p.allowed = &allowed{}
		}
		c.policies[p.policy] = p
	}
	return p
}

// combination numbers the effects and modes.
func combination(effect decision.Effect, mode decision.Mode) int {
	i := 0
	if effect == decision.Deny {
		i = 1
	}
	if mode == decision.DryRun {
		i += 2
	}
	return i
}
