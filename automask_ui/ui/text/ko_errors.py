"""What goes wrong, in Korean: sentences for errors and notes whose English ones visitors meet, else one for the kind.

Errors speak English themselves, with values in them: a pattern takes the values out of the English sentence, and they
are put into the Korean one. A sentence without a pattern is told by the error's kind alone, so that nobody reads two
languages at once.
"""

from __future__ import annotations

import re

__all__ = ["KO_ERRORS", "in_korean"]

# What an error of a class means, and what to do; a class without a line takes that of its base.
KO_ERRORS: dict[str, str] = {
    "AutoMaskError": "처리하지 못했습니다. 다시 해 보세요.",
    "OptionError": "설정 값을 쓸 수 없습니다. 값을 고쳐 주세요.",
    "ImageError": "이 사진은 쓸 수 없습니다. 다른 사진을 열어 주세요.",
    "UnreadableImageError": "이 파일은 사진으로 읽을 수 없습니다. JPEG이나 PNG로 저장해서 열어 주세요.",
    "ImageTooLargeError": "사진이 너무 큽니다. 크기를 줄이거나 필요한 부분만 잘라 주세요.",
    "CheckpointError": "이 모델을 쓸 수 없습니다. 다른 모델을 고르세요.",
    "UnknownModelError": "그런 모델은 없습니다. 목록에서 고르세요.",
    "CheckpointNotFoundError": "이 모델의 파일이 이 컴퓨터에 없습니다.",
    "CheckpointFormatError": "이 모델의 파일이 맞지 않거나 손상되었습니다. 파일을 다시 받아 주세요.",
    "DownloadError": "모델을 내려받지 못했습니다. 다시 해 보거나 파일을 직접 올리세요.",
    "EngineError": "모델을 실행하지 못했습니다. 다시 해 보세요.",
    "EngineOutOfMemoryError": "메모리가 모자랍니다. 다른 프로그램을 닫거나 더 작은 모델을 고르세요.",
    "BusyError": "지금은 기다리는 사람이 너무 많습니다. 잠시 뒤에 다시 해 보세요.",
    "NoImageError": "먼저 사진을 여세요.",
    "RunGoneError": "이 결과는 서버에 더 이상 없습니다. 페이지를 새로 고치거나 사진을 다시 열어 주세요.",
    "EditError": "이 편집은 할 수 없습니다.",
    "LabelError": "이 레이블이나 클래스 목록을 쓸 수 없습니다.",
    "ArchiveError": "이 ZIP 파일은 쓸 수 없습니다. 손상되었을 수 있으니 다시 복사하거나 저장하세요.",
    "RestoreError": "저장된 작업을 이어갈 수 없습니다.",
    "ExportError": "파일을 만들지 못했습니다. 다른 형식으로 해 보세요.",
    "BatchError": "이 사진 목록은 만들 수 없습니다.",
}

_SENTENCES = (
    # Pictures
    (r"(.+) is empty \(0 bytes\)\..*", "{0}: 빈 파일입니다(0바이트). 다시 복사하거나 올려 주세요."),
    (r"(.+) is damaged.*", "{0}: 손상된 파일입니다. 다시 복사하거나 저장하세요."),
    (
        r"(.+) is of a kind that is not read here.*",
        "{0}: 여기서 읽지 않는 종류의 파일입니다. JPEG이나 PNG로 저장하세요.",
    ),
    (
        r"(?!There is no picture)(.+) is no picture.*",
        "{0}: 사진 파일이 아닙니다. JPEG, PNG, TIFF, WebP 같은 사진을 여세요.",
    ),
    (r"(.+) is a HEIC photo.*", "{0}: HEIC 사진은 여기서 읽을 수 없습니다. JPEG이나 PNG로 바꿔 주세요."),
    (r"(.+) is a drawing \(SVG.*", "{0}: SVG 그림입니다. 먼저 PNG로 내보내세요."),
    (r"(.+) is a web page.*", "{0}: 웹 페이지나 텍스트 파일입니다. 사진 자체를 저장하세요."),
    (
        r"(.+) is a damaged or incomplete ZIP.*",
        "{0}: 손상되었거나 덜 복사된 ZIP 파일입니다. 다시 복사하거나 올려 주세요.",
    ),
    (
        r"(.+) has ([\d,]+) × ([\d,]+) = [\d,]+ pixels, but the limit is ([\d,]+)\..*",
        "{0}: {1} × {2} px로 한도({3}픽셀)보다 큽니다. 크기를 줄이거나 필요한 부분만 잘라 주세요.",
    ),
    (
        r"(.+) has ([\d,]+) MB, but a photo may have ([\d,]+) MB here\..*",
        "{0}: {1} MB로 한도({2} MB)보다 큽니다. JPEG이나 PNG로 저장하거나 크기를 줄이세요.",
    ),
    (
        r"Memory ran out while (.+?)(?: \([\d,]+ × [\d,]+ px\))? was decoded\..*",
        "{0}: 사진이 메모리에 다 들어가지 않습니다. 크기를 줄이세요.",
    ),
    (
        r"There is no picture yet.*",
        "아직 사진이 없습니다. 사진을 열거나 예시를 고르세요. 사진이 보인다면 서버와 연결이 끊어진 것입니다. "
        "페이지를 새로 고치면 작업이 돌아옵니다.",
    ),
    (r"This picture was closed meanwhile\.", "그 사이에 이 사진이 닫혔습니다."),
    (r"The file is incomplete: its last part.*", "파일이 덜 복사되었습니다. 없는 끝부분은 한 가지 색으로 표시합니다."),
    (r"The list is being worked on: stop it.*", "목록을 처리하고 있습니다. 멈춘 다음 사진을 빼세요."),
    (r"The list is being written to a file.*", "목록을 파일로 쓰고 있습니다. 끝난 다음 사진을 빼세요."),
    (r"Turned upright, as the file says \(EXIF\)\.", "파일에 적힌 대로(EXIF) 바로 세웠습니다."),
    # Archives, lists, kept work
    (r"(.+) is no ZIP that can be read.*", "{0}: 읽을 수 있는 ZIP 파일이 아닙니다. 다시 복사하거나 저장하세요."),
    (r"(.+) is no complete ZIP.*", "{0}: ZIP 파일이 손상되었거나 덜 복사되었습니다. 다시 복사하거나 저장하세요."),
    (r"(.+) is protected by a password.*", "{0}: 암호가 걸려 있습니다. 암호 없이 저장하세요."),
    (r"(.+) unpacks to more than ([\d,]+) MB.*", "{0}: 압축을 풀면 한도({1} MB)를 넘습니다."),
    (r"There is no picture among these files \(([\d,]+) other.*", "이 파일들 가운데 사진이 없습니다(다른 파일 {0}개)."),
    (r"There are more than (\d+) pictures.*", "사진이 {0}장보다 많습니다. 나누어서 놓아 주세요."),
    (
        r"The pictures have more than ([\d.]+) GB together.*",
        "사진이 모두 합해 {0} GB보다 큽니다. 나누어서 놓아 주세요.",
    ),
    (
        r"(\d+) others have lists of pictures here already.*",
        "지금 다른 {0}명이 사진 목록을 쓰고 있습니다. 잠시 뒤에 다시 해 보세요.",
    ),
    (r"The list is being worked on.*", "목록을 처리하는 중입니다. 중지한 다음 사진을 빼세요."),
    (
        r"There is no list.*",
        "사진 목록이 없습니다. 먼저 사진 여러 장이나 ZIP을 놓아 주세요. 목록이 보인다면 서버와 연결이 끊어진 "
        "것입니다. 페이지를 새로 고치면 작업이 돌아옵니다.",
    ),
    (r"There is no such picture in the list\.", "목록에 그런 사진이 없습니다."),
    (
        r"(\d+) of these (\d+) files hold kept work.*",
        "파일 {1}개 가운데 {0}개가 저장된 작업입니다. 하나만, 그 사진과 함께 놓아 주세요.",
    ),
    (r"(.+) has no automask.*", "{0}: 여기서 내려받은 ZIP이 아닙니다."),
    (r"(.+) holds no work of AutoMask.*", "{0}: AutoMask의 작업이 들어 있지 않습니다."),
    (
        r"(.+) \(([\d,]+) × ([\d,]+) px\) is not the picture that these masks belong to: that is (.+?) \(.*",
        "{0}: 이 마스크의 사진이 아닙니다. 이 작업의 사진은 {3}입니다.",
    ),
    (
        r"These masks were found by (.+?) \(SHA.*",
        "이 마스크를 찾은 모델({0})이 없습니다. 편집과 내려받기는 됩니다. 다시 찾으려면 ‘마스크 찾기’를 누르세요.",
    ),
    (
        r"Something went wrong on our side; what is finished is kept\..*",
        "서버에서 문제가 생겼습니다. 끝난 것은 그대로 있습니다. 다시 시작해 보세요.",
    ),
    # Settings and points
    (
        r"The run was stopped, and another stability test strength.*set it back to ([\d.]+),.*",
        "멈춘 실행이라 안정도 검사 강도를 바꿀 수 없습니다. {0} 값으로 되돌리고 ‘이어서 찾기’가 끝난 뒤 바꾸세요.",
    ),
    (r"(\w+) must be True or False, but is (.+)\.", "{0}: True 또는 False여야 하는데 {1}입니다."),
    (r"(\w+) must be .+ from ([\d.-]+) to ([\d.-]+), but is (.+)\.", "{0}: {1}부터 {2}까지 쓸 수 있는데 {3}입니다."),
    (
        r"(?:.*\D)?at most ([\d,]+).*points.*|.*points.*at most ([\d,]+).*",
        "점이 너무 많습니다. 격자를 성기게 하거나 확대 단계를 줄이세요.",
    ),
    (
        r"A list of points cannot leave out a place of zoomed crops.*",
        "확대 단계를 쓰면 찾을 영역을 정할 수 없습니다. 먼저 확대 단계를 0으로 하세요.",
    ),
    (r"Line (\d+): .*", "점 목록의 {0}번째 줄을 읽을 수 없습니다. 0.25, 0.5처럼 x, y를 0에서 1 사이로 쓰세요."),
    # Models
    (r"The file of (.+) is not on this machine\.", "{0}: 모델 파일이 이 컴퓨터에 없습니다."),
    (
        r"This file of ([\d,]+) bytes is not the published (.+): that is (.+) with ([\d,]+) bytes\..*",
        "올린 파일({0}바이트)은 공개된 {1} 파일이 아닙니다. {2} 파일({3}바이트)을 올리거나 내려받으세요.",
    ),
    (
        r"(.+?)(?: \([\d.,]+ [MG]B\))? could not be downloaded: .*",
        "{0}: 내려받지 못했습니다. 다시 해 보거나, 파일을 직접 올리거나, 내장 모델을 쓰세요.",
    ),
    (
        r"Memory on (\S+) ran out even with one point at a time: went on on the CPU\.",
        "GPU 메모리가 모자라 CPU에서 이어 했습니다.",
    ),
    (
        r"(\d+) runs are waiting for the model already.*",
        "이미 {0}명이 모델을 기다리고 있습니다. 잠시 뒤에 다시 해 보세요.",
    ),
    # Downloads and edits
    (
        r"Every click is beside the object:.*",
        "모든 클릭이 물체 밖입니다. 물체도 클릭하거나 둘레에 상자를 그리세요.",
    ),
    (
        r"(?:The mask to refine|A mask that is meant) is no longer there:.*",
        "그 마스크는 더 이상 없습니다. 다시 선택하세요.",
    ),
    (r"Nothing is drawn inside the picture\.", "사진 안에 그려진 것이 없습니다."),
    (r"Nothing of mask (\d+) would be left:.*", "마스크 {0}번은 너무 작거나 얇아서 남는 픽셀이 없습니다."),
    (
        r"There (?:is no mask|are no masks) to download.*",
        "내려받을 마스크가 없습니다. 하나 이상 표시하거나 선택하세요.",
    ),
    (
        r"There are no masks yet: press Find masks in all first\.",
        "아직 마스크가 없습니다. 먼저 ‘모두 마스크 찾기’를 누르세요.",
    ),
    (r"Mask #(\d+) of (.+) has no pixels.*", "{1}의 마스크 {0}번에 픽셀이 없습니다. 숨긴 뒤 내려받으세요."),
    (r"JPEG holds at most ([\d,]+) px a side.*", "JPEG은 한 변이 {0} px까지입니다. 다른 형식으로 내려받으세요."),
    (
        r"Pascal VOC holds (\d+) objects a picture.*",
        "Pascal VOC는 사진마다 물체 {0}개까지 담습니다. 레이블 지도를 쓰거나 마스크를 줄이세요.",
    ),
    (r"The (.+) file failed its check.*", "{0}: 다시 읽어 보니 마스크가 달라서 버렸습니다. 다른 형식으로 해 보세요."),
    # Work that is too large to be kept
    (
        r"The work on (.+) is (\d+) MB, and at most (\d+) MB can be opened again:.*",
        "{0}: 작업이 {1} MB인데, 다시 열 수 있는 크기는 {2} MB까지입니다. 필요 없는 마스크를 지우거나, "
        "COCO 같은 파일로 내려받으세요.",
    ),
    (
        r"(?:(\d+) pictures|This picture) with .+ too large to be kept: download .+",
        "사진과 마스크를 합치면 보관하기에 너무 큽니다. 내려받아 두세요.",
    ),
    # Class lists
    (r"(\d+) names? (?:was|were) there already, and left out\.", "이미 있는 이름 {0}개는 뺐습니다."),
    (
        r"Their numbers go from (\d+) to (\d+), and ([\d,]+) between them (?:is|are) not used\.",
        "번호는 {0}부터 {1}까지이고, 그 사이 {2}개는 쓰이지 않습니다.",
    ),
    # What reads a file back
    (r"an unpacker of the rle-pack code", "rle 압축 풀기"),
    (r"OpenCV fillPoly, as Ultralytics does", "OpenCV fillPoly(Ultralytics와 같음)"),
    (r"Pillow ImageDraw, as LabelMe does", "Pillow ImageDraw(LabelMe와 같음)"),
    (r"Pillow, (\d+) of 255 levels allowed", "Pillow(255단계 중 {0}까지의 차이는 같게 봄)"),
)
_PATTERNS = tuple((re.compile(pattern, re.DOTALL), said) for pattern, said in _SENTENCES)


def in_korean(sentence: str) -> str:
    """The Korean sentence for an English one of ours; "" where there is none."""
    for pattern, said in _PATTERNS:
        if match := pattern.fullmatch(sentence):
            return said.format(*(group or "" for group in match.groups()))
    return ""
