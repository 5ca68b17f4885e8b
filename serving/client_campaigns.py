"""What the client asks of receptivity and of campaigns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from pydantic import BaseModel

from serving import receptivity_contract as weeks
from serving.campaigns import contract as campaigns
from serving.client_calls import Caller

Model = TypeVar("Model", bound=BaseModel)
_JSON = {"Content-Type": "application/json"}


class CampaignCalls:
    """Methods of `serving.client.Almanac`; each raises Refused where the service refuses."""

    _caller: Caller

    def receptivity(self, segment: str = "everyone", channel: str = "email") -> weeks.ReceptiveWeek:
        """Return the week of everyone, of 'region:<id>' or of 'rhythm:<number>'."""
        query = {"segment": segment, "channel": channel}
        response = self._caller.send("GET", "/v1/receptivity", query=query)
        return weeks.ReceptiveWeek.model_validate_json(response.content)

    def receptivity_of(
        self, customers: Sequence[str], channel: str = "email"
    ) -> weeks.ReceptiveWeek:
        """Return the week of customers that are named."""
        asked = weeks.ReceptivityRequest.model_validate(
            {"customers": list(customers), "channel": channel}
        )
        body = asked.model_dump_json().encode()
        response = self._caller.send("POST", "/v1/receptivity", body=body, headers=_JSON)
        return weeks.ReceptiveWeek.model_validate_json(response.content)

    def receptivity_segments(self) -> weeks.ReceptivitySegments:
        """Return which segments there are."""
        return self._look("/v1/receptivity/segments", weeks.ReceptivitySegments)

    def campaign_choices(self) -> campaigns.CampaignChoices:
        """Return what can be asked of a draft."""
        return self._look("/v1/campaign-choices", campaigns.CampaignChoices)

    def draft_campaign(self, asked: campaigns.CampaignDraftRequest) -> campaigns.CampaignDraft:
        """Plan a campaign; where its state is 'planning', ask `campaign_draft` again."""
        body = asked.model_dump_json(exclude_unset=True).encode()
        response = self._caller.write("POST", "/v1/campaign-drafts", body=body, headers=_JSON)
        return campaigns.CampaignDraft.model_validate_json(response.content)

    def campaign_draft(self, draft: str) -> campaigns.CampaignDraft:
        """Return a draft, as far as it is."""
        return self._look(f"/v1/campaign-drafts/{draft}", campaigns.CampaignDraft)

    def campaign_messages(self, draft: str) -> bytes:
        """Return the schedule of a draft as CSV, one line a customer."""
        return self._caller.send("GET", f"/v1/campaign-drafts/{draft}/messages").content

    def decide_campaign(self, draft: str) -> campaigns.CampaignDecision:
        """Put a draft down in the log of decisions, once."""
        path = f"/v1/campaign-drafts/{draft}/decision"
        response = self._caller.write("POST", path, body=None, headers={})
        return campaigns.CampaignDecision.model_validate_json(response.content)

    def _look(self, path: str, model: type[Model]) -> Model:
        return model.model_validate_json(self._caller.send("GET", path).content)
