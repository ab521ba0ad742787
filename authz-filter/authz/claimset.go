package authz

import (
	"errors"

	"github.com/tidwall/gjson"

	"github.com/palisade-mesh/palisade/filters/claims"
	"github.com/palisade-mesh/palisade/filters/jsonstrict"
	"github.com/palisade-mesh/palisade/filters/request"
)

var claimsProperty = []string{claims.Property}

var errClaims = errors.New("the claims that jwt-filter published are not readable")

// claimSet are the claims of one provider's verified token.
type claimSet struct {
	claims    gjson.Result
	principal string // issuer + "/" + subject; "" if it lacks one of them
}

// readClaims reads what jwt-filter published. No property means no verified token.
func readClaims(r *request.Request) ([]claimSet, error) {
	text, found, err := r.Property(claimsProperty)
	if err != nil || !found || text == "" {
		return nil, err
	}
	// jwt-filter has checked the JSON that a client sent; it is not checked again.
	root := gjson.Parse(text)
	if !root.IsObject() {
		return nil, errClaims
	}
	var sets []claimSet
	root.ForEach(func(_, v gjson.Result) bool {
		set := claimSet{claims: v}
		iss, hasIss := jsonstrict.Member(v, "iss")
		sub, hasSub := jsonstrict.Member(v, "sub")
		if hasIss && hasSub && iss.Type == gjson.String && sub.Type == gjson.String && iss.Str != "" && sub.Str != "" {
			set.principal = iss.Str + "/" + sub.Str
		}
		sets = append(sets, set)
		return true
	})
	return sets, nil
}

func (s *subject) firstPrincipal() string {
	for i := range s.claims {
		if s.claims[i].principal != "" {
			return s.claims[i].principal
		}
	}
	return ""
}
