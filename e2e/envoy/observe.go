package envoy

import (
	"context"
	"encoding/json"
	"fmt"
)

// Entry is one line of the access log that Bootstrap configures. Decisions are
// nil where the filter did not run.
type Entry struct {
	RequestID string
	Status    int
	// Details are Envoy's own words on who replied, %RESPONSE_CODE_DETAILS%.
	Details               string
	JWT, Authz, RateLimit *Decision
	WAF                   *Decision
	// Claims are what jwt-filter published of the request's tokens, as JSON; ""
	// where it did not.
	Claims string
}

// Decision is the record that every filter leaves.
type Decision struct {
	Filter           string `json:"filter"`
	Mode             string `json:"mode"`
	Effect           string `json:"effect"`
	Policy           string `json:"policy"`
	Rule             any    `json:"rule"`
	Reason           string `json:"reason"`
	Status           int    `json:"status"`
	Principal        string `json:"principal"`
	RequestPrincipal string `json:"requestPrincipal"`
	RemoteIP         string `json:"remoteIP"`
	Method           string `json:"method"`
	Host             string `json:"host"`
	Path             string `json:"path"`
	RequestID        string `json:"requestId"`
}

// accessLog writes one JSON object a line to standard output.
func accessLog() object {
	return named("envoy.access_loggers.stdout", "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", object{
		"log_format": object{"json_format": object{
			"request_id": "%REQ(X-REQUEST-ID)%",
			"status":     "%RESPONSE_CODE%",
			"details":    "%RESPONSE_CODE_DETAILS%",
			"jwt":        "%FILTER_STATE(wasm.palisade.jwt.decision:PLAIN)%",
			"authz":      "%FILTER_STATE(wasm.palisade.authz:PLAIN)%",
			"claims":     "%FILTER_STATE(wasm.palisade.jwt:PLAIN)%",
			"ratelimit":  "%FILTER_STATE(wasm.palisade.ratelimit:PLAIN)%",
			"waf":        "%FILTER_STATE(wasm.palisade.waf:PLAIN)%",
		}},
	})
}

// Entry waits for the access log line of the request with this ID.
func (e *Envoy) Entry(ctx context.Context, requestID string) (*Entry, error) {
	line, err := e.out.Line(ctx, requestID)
	if err != nil {
		return nil, err
	}
	var fields struct {
		RequestID string  `json:"request_id"`
		Status    int     `json:"status"`
		Details   string  `json:"details"`
		JWT       *string `json:"jwt"`
		Authz     *string `json:"authz"`
		Claims    *string `json:"claims"`
		RateLimit *string `json:"ratelimit"`
		WAF       *string `json:"waf"`
	}
	if err := json.Unmarshal([]byte(line), &fields); err != nil {
		return nil, fmt.Errorf("envoy: access log line %s: %w", line, err)
	}
	entry := &Entry{RequestID: fields.RequestID, Status: fields.Status, Details: fields.Details}
	if fields.Claims != nil {
		entry.Claims = *fields.Claims
	}
	for _, d := range []struct {
		into **Decision
		text *string
	}{
		{&entry.JWT, fields.JWT}, {&entry.Authz, fields.Authz}, {&entry.RateLimit, fields.RateLimit}, {&entry.WAF, fields.WAF},
	} {
		if *d.into, err = decision(d.text); err != nil {
			return nil, err
		}
	}
	return entry, nil
}

func decision(text *string) (*Decision, error) {
	if text == nil {
		return nil, nil
	}
	var d Decision
	if err := json.Unmarshal([]byte(*text), &d); err != nil {
		return nil, fmt.Errorf("envoy: decision record %s: %w", *text, err)
	}
	return &d, nil
}

// statsTags turn the flat names of Proxy-Wasm metrics into labels. The first
// group of a regex is cut out of the name, the second becomes the value.
func statsTags() list {
	var tags list
	for _, label := range []string{"filter", "effect", "policy", "mode", "result", "kind", "provider", "on", "rule", "severity", "phase"} {
		tags = append(tags, object{
			"tag_name": label,
			"regex":    `^wasmcustom\.palisade\.[a-z_]+(?:\.[^.]+\.[^.]+)*?(\.` + label + `\.([^.]+))`,
		})
	}
	return tags
}
