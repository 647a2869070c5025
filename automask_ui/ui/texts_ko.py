"""Korean texts of the page, under the keys of the English ones."""

from __future__ import annotations

__all__ = ["KO"]

KO: dict[str, str] = {
    # Header and photo
    "photo": "사진",
    "photo.drop": "사진을 끌어다 놓거나, 클릭해서 고르거나, 붙여넣으세요",
    "samples": "예시 사진",
    "sample.open": "예시 사진 {name} 열기",
    # Model and presets
    "model": "모델",
    "model.info": "{good_for}. {device}에서 실행됩니다.",
    "model.unloaded": "{good_for}. 처음 실행할 때 불러옵니다.",
    "model.download": "{good_for}. 처음 실행할 때 파일({size})을 내려받습니다.",
    "preset": "프리셋",
    "preset.custom": "사용자 지정",
    "preset.quick": "빠르게 보기",
    "preset.quick.help": "성긴 격자로 훑어봅니다. 네 배 빠릅니다.",
    "preset.balanced": "균형",
    "preset.balanced.help": "SAM의 기본값입니다. 적당한 시간에 대부분의 물체를 찾습니다.",
    "preset.small": "작은 물체",
    "preset.small.help": "사진을 확대한 조각도 살펴보고 마스크를 다듬습니다.",
    "preset.everything": "모두 찾기",
    "preset.everything.help": "촘촘한 격자와 느슨한 기준으로 찾은 뒤 나중에 골라냅니다.",
    # Groups of parameters
    "group.look": "어디를 볼까",
    "group.look.note": "다음 실행부터 적용됩니다. 한 번 읽은 사진은 다시 읽지 않습니다.",
    "group.keep": "무엇을 남길까",
    "group.clean": "다듬기",
    "group.show": "보기 범위",
    "group.show.note": "화면과 ‘보이는 것’ 다운로드에서만 숨깁니다. SAM 자체의 설정이 아닙니다.",
    "points": "직접 지정한 점",
    "points.info": "point_grids · 한 줄에 x, y 하나씩(0~1). 빈 줄은 다음 단계를 뜻하며, 격자를 대신합니다.",
    "points.file": "파일 열기…",
    "show.smallest": "최소 면적",
    "show.largest": "최대 면적",
    "show.unit": "면적 단위",
    "show.unit.percent": "사진의 %",
    "show.covering": "이보다 넓게 덮는 마스크 숨기기",
    "show.covering.info": "사진에 대한 비율(%). 100이면 아무것도 숨기지 않습니다",
    # Parameters
    "parameter.points_per_side": "격자 밀도",
    "parameter.points_per_side.help": (
        "작은 물체를 놓치면 올리고, 너무 오래 걸리면 내리세요(시간은 제곱으로 늘어납니다)."
    ),
    "parameter.points_per_batch": "한 번에 처리할 점",
    "parameter.points_per_batch.help": "GPU가 한가하면 올리고, 메모리가 모자라면 내리세요.",
    "parameter.crop_n_layers": "확대 단계",
    "parameter.crop_n_layers.help": (
        "큰 사진에서 아주 작은 물체를 놓치면 올리고, 너무 오래 걸리면 내리세요(단계마다 조각이 네 배가 됩니다)."
    ),
    "parameter.crop_overlap_ratio": "조각 겹침",
    "parameter.crop_overlap_ratio.help": "조각 경계에서 물체가 잘리면 올리고, 같은 작업이 너무 반복되면 내리세요.",
    "parameter.crop_n_points_downscale_factor": "단계별 격자 솎기",
    "parameter.crop_n_points_downscale_factor.help": (
        "확대 단계가 너무 오래 걸리면 올리고, 조각 속 작은 물체를 놓치면 내리세요."
    ),
    "parameter.pred_iou_thresh": "마스크 품질",
    "parameter.pred_iou_thresh.help": "엉성한 마스크가 있으면 올리고, 좋은 물체가 빠지면 내리세요.",
    "parameter.stability_score_thresh": "경계 안정성",
    "parameter.stability_score_thresh.help": (
        "경계가 흐릿한 마스크가 있으면 올리고, 경계가 부드러운 물체가 빠지면 내리세요."
    ),
    "parameter.stability_score_offset": "안정성 검사 강도",
    "parameter.stability_score_offset.help": "흐릿한 마스크가 검사를 통과하면 올리고, 좋은 마스크가 탈락하면 내리세요.",
    "parameter.box_nms_thresh": "중복 허용 겹침",
    "parameter.box_nms_thresh.help": "가까이 붙은 물체가 사라지면 올리고, 같은 물체가 두 번 잡히면 내리세요.",
    "parameter.crop_nms_thresh": "조각 사이 중복 허용 겹침",
    "parameter.crop_nms_thresh.help": (
        "확대 단계에서 가까이 붙은 물체가 사라지면 올리고, 같은 물체가 두 번 잡히면 내리세요."
    ),
    "parameter.min_mask_region_area": "얼룩과 구멍 없애기",
    "parameter.min_mask_region_area.help": "마스크에 얼룩이나 구멍이 있으면 올리고, 세밀한 부분이 사라지면 내리세요.",
    # Run
    "find": "마스크 찾기",
    "stop": "중지",
    "forecast.points": "점 {points:,}개",
    "forecast.points.one": "점 {points:,}개",
    "forecast.crops": "조각 {crops:,}개에 점 {points:,}개",
    "forecast.time": "약 {time}",
    "forecast.pending": "아직 적용 안 됨",
    "candidates": "후보 {all:,}개 중 {passing:,}개 통과",
    "candidates.none": "실행하면 나타납니다",
    # Time
    "seconds": "{n}초",
    "minutes": "{n}분",
    # Status line
    "status.start": "사진을 끌어다 놓거나 예시를 골라 시작하세요.",
    "status.sample": "이 예시는 이미 끝났습니다. 물체를 가리켜 보고, 슬라이더를 움직이거나 내 사진을 놓아 보세요.",
    "status.preparing": "예시 사진을 준비하고 있습니다…",
    "status.no_sample": "예시를 준비하지 못했습니다. {why}",
    "status.opened": "{name}, {width:,} × {height:,} px. ‘마스크 찾기’를 누르세요.",
    "status.waiting": "차례를 기다리고 있습니다…",
    "status.begin": "시작하는 중…",
    "status.failed": "처리하지 못했습니다. 바뀐 것은 없습니다.",
    "status.failed.kept": "처리하지 못했습니다. 마지막 결과는 그대로 있습니다: 마스크 {masks:,}개.",
    "status.failed.kept.one": "처리하지 못했습니다. 마지막 결과는 그대로 있습니다: 마스크 {masks:,}개.",
    "status.load": "{model} 불러오는 중…",
    "status.encode": "사진을 읽는 중(중단할 수 없음)",
    "status.encode.time": "사진을 읽는 중(중단할 수 없음), 약 {time}",
    "status.decode": "점 {total:,}개 중 {done:,}개, 마스크 {masks:,}개 찾음",
    "status.decode.one": "점 {total:,}개 중 {done:,}개, 마스크 {masks:,}개 찾음",
    "status.left": "{time} 남음",
    "status.clean": "마스크 {masks:,}개를 다듬는 중",
    "status.clean.one": "마스크 {masks:,}개를 다듬는 중",
    "status.done": "마스크 {masks:,}개, {time} 걸림",
    "status.done.one": "마스크 {masks:,}개, {time} 걸림",
    "status.stopping": "이 단계가 끝나면 멈춥니다…",
    "status.stopped": "점 {total:,}개 중 {done:,}개에서 멈춤: 지금까지 마스크 {masks:,}개",
    "status.stopped.one": "점 {total:,}개 중 {done:,}개에서 멈춤: 지금까지 마스크 {masks:,}개",
    "status.stopped.none": "점을 하나도 보기 전에 멈췄습니다.",
    "status.masks": "마스크 {masks:,}개",
    "status.masks.one": "마스크 {masks:,}개",
    "status.more": "{n:,}개 늘어남",
    "status.fewer": "{n:,}개 줄어듦",
    "status.same": "변화 없음",
    "status.busy": "새 설정은 이번 실행이 끝나면 적용됩니다.",
    "status.points": "직접 지정한 점 {points:,}개, {layers}단계. ‘마스크 찾기’를 누르세요.",
    "status.points.one": "직접 지정한 점 {points:,}개, {layers}단계. ‘마스크 찾기’를 누르세요.",
    # Nothing found
    "empty.none": "후보 {all:,}개 중 통과한 것이 없습니다.",
    "empty.threshold": "{n:,}개가 {title} {value:g} 기준에 걸립니다. 낮춰 볼까요?",
    "empty.edge": "{n:,}개가 조각 경계에서 잘립니다. {title} 값을 높여 볼까요?",
    "empty.other": "다른 프리셋을 써 보세요.",
    "empty.show": "마스크 {all:,}개가 모두 ‘보기 범위’ 때문에 숨었습니다. 범위를 넓혀 볼까요?",
    # Errors
    "error.unexpected": "서버에서 문제가 생겼습니다. 마지막 결과는 그대로 있습니다. 다시 시도해 보세요.",
    "error.title": "처리하지 못했습니다",
    # Other controls
    "download": "다운로드",
    "viewer": "사진과 마스크",
    "status": "상태",
}
